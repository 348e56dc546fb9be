"""Split large text files into chunks that workers read independently.

A chunk ends right after a boundary, the end of a document, so no document is split. Where chunks end depends on the
files alone, never on the number of workers, and only the chunks being worked on are in memory.
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
        """The text of the chunk; `UserError` when it is not UTF-8."""
        with Path(self.path).open("rb") as file:
            file.seek(self.start)
            text = file.read(self.end - self.start)
        try:
            return text.decode("utf-8")
        except UnicodeDecodeError as error:
            raise UserError(f"{self.path}: not UTF-8 at byte {self.start + error.start}") from None


def chunks(paths: Iterable[Path], boundary: bytes, size: int = 1 << 19) -> Iterator[Chunk]:
    """The files as chunks of about `size` bytes, in order; each ends with `boundary` or with its file."""
    for path in paths:
        total = path.stat().st_size
        start = 0
        with path.open("rb") as file:
            # an empty file cannot be mapped, and has no chunks
            text = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) if total else b""
            while start < total:
                found = text.find(boundary, start + size - len(boundary))
                end = total if found < 0 else found + len(boundary)
                yield Chunk(str(path), start, end)
                start = end
