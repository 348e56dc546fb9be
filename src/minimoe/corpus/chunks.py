"""Large text files cut into pieces that workers read on their own.

A piece ends right after a boundary, the end of a document, so no document is cut. Where the pieces end
depends on the files alone, never on the number of workers, and only the pieces at work are in memory.
"""

import mmap
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from minimoe.system.errors import UserError


class Chunk(NamedTuple):
    """The bytes `start` to `end` of a UTF-8 text file."""

    path: str
    start: int
    end: int

    def read(self) -> str:
        """The text of the piece; `UserError` when it is not UTF-8."""
        with Path(self.path).open("rb") as file:
            file.seek(self.start)
            text = file.read(self.end - self.start)
        try:
            return text.decode("utf-8")
        except UnicodeDecodeError as error:
            raise UserError(f"{self.path}: not UTF-8 at byte {self.start + error.start}") from None


def chunks(paths: Iterable[Path], boundary: bytes, size: int = 1 << 19) -> Iterator[Chunk]:
    """The files as pieces of about `size` bytes, in order; each ends with `boundary` or with its file."""
    for path in paths:
        total = path.stat().st_size
        start = 0
        with path.open("rb") as file:
            # a file of no bytes cannot be mapped, and has no pieces
            text = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) if total else b""
            while start < total:
                found = text.find(boundary, start + size - len(boundary))
                end = total if found < 0 else found + len(boundary)
                yield Chunk(str(path), start, end)
                start = end
