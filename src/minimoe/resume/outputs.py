"""Output files that grow piece by piece, and a journal of how far they are whole, so that a killed stage goes on.

The files grow in a folder of `work/`. After every piece the stage says what it has done; from time to time, and when
it ends before its time, that is written down with the sizes and checksums of the files. A later run verifies them, cuts
off what came after, and goes on with the next piece. Files that are whole come to the output folder as links.
"""

import json
import os
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from crc32c import crc32c

from minimoe.system.files import signed, sync, verified, whole_file, whole_folder

BLOCK = 1 << 22  # bytes read at once


class Journal:
    """A folder of growing files; `values` is what was done when it was opened.

    Args:
        folder: of the files, `files/` in it, and of the journal.
        minutes: between two times that it is written down.
    """

    def __init__(self, folder: Path, minutes: float) -> None:
        self.folder, self.path, self.minutes = folder / "files", folder / "journal.json", minutes
        self.values: dict = {}
        self._sums: dict[str, tuple[int, int]] = {}  # size and checksum of what was written down
        self._noted: tuple[dict, dict[str, int]] | None = None
        self._last = time.monotonic()
        self.folder.mkdir(parents=True, exist_ok=True)
        self._open()

    def note(self, values: dict) -> None:
        """All files are whole as they are, and `values`, which JSON can hold, say what is done."""
        self._noted = (values, {path.name: path.stat().st_size for path in self.folder.iterdir()})
        if time.monotonic() - self._last >= 60 * self.minutes:
            self.write()

    def write(self) -> None:
        """Write down what was noted last."""
        if not self._noted:
            return
        values, sizes = self._noted
        sums = {}
        for name, size in sizes.items():
            start, value = self._sums.get(name, (0, 0))
            if size < start:  # it was begun anew
                start, value = 0, 0
            if size > start:
                sync(self.folder / name)
            sums[name] = size, _checksum(self.folder / name, start, size, value)
        self._sums = sums
        with whole_file(self.path) as temporary:
            temporary.write_text(json.dumps(signed({"values": values, "files": self._sums})), encoding="utf-8")
            sync(temporary)
        self._noted, self._last = None, time.monotonic()

    def _open(self) -> None:
        """Take up what was written down, if the files are what they were; otherwise start over."""
        if self.path.exists():
            try:
                written = verified(json.loads(self.path.read_text(encoding="utf-8")))
                for name, (size, value) in written["files"].items():
                    if _checksum(self.folder / name, 0, size, 0) != value:
                        raise ValueError(f"{self.folder / name} is damaged")
                    os.truncate(self.folder / name, size)
                    self._sums[name] = size, value
                self.values = written["values"]
            except (OSError, ValueError, RecursionError) as error:
                print(f"{self.path.parent}: starting over, as what was done cannot be used: {error}", file=sys.stderr)
                self._sums = {}
                self.path.unlink()
        for path in self.folder.iterdir():
            if path.name not in self._sums:
                path.unlink()


@contextmanager
def growing(work: Path, minutes: float) -> Iterator[Journal]:
    """A journal that is written down however the block ends."""
    journal = Journal(work, minutes)
    try:
        yield journal
    finally:
        with suppress(OSError):  # the disk is full: what was written down before counts
            journal.write()


def adopt(files: list[Path], out: str | Path) -> None:
    """Have a folder `out` with these files in it, whole or not at all; they stay where they are, too."""
    with whole_folder(out) as folder:
        for file in files:
            try:
                os.link(file, folder / file.name)
            except OSError:  # another file system
                shutil.copyfile(file, folder / file.name)


def _checksum(path: Path, start: int, end: int, value: int) -> int:
    """`value`, the CRC-32C of a file up to `start`, continued up to `end`; `ValueError` where the file is shorter."""
    with path.open("rb") as file:
        file.seek(start)
        while start < end:
            block = file.read(min(BLOCK, end - start))
            if not block:
                raise ValueError(f"{path} is cut off")
            value, start = crc32c(block, value), start + len(block)
    return value
