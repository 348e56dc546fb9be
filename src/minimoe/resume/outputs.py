"""Resumable output: files that a stage appends to, and a record of its progress, so that a killed stage goes on.

The files grow in a folder of `work/`. After every piece of work the stage notes what it has done; every few minutes,
and however the stage ends, the last note is saved in `progress.json` with the sizes and checksums of the files. The
next run verifies the files, truncates them to these sizes, and goes on with the next piece. The finished files are
linked into the output folder.
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


class ResumableOutput:
    """A folder of files that grow; `values` is the last note that was saved before it was opened, {} at first.

    Args:
        folder: holds the files, in `files/`, and `progress.json`.
        minutes: between two times that progress is saved.
    """

    def __init__(self, folder: Path, minutes: float) -> None:
        self.folder, self.path, self.minutes = folder / "files", folder / "progress.json", minutes
        self.values: dict = {}
        self._sums: dict[str, tuple[int, int]] = {}  # size and checksum of each file when progress was saved
        self._noted: tuple[dict, dict[str, int]] | None = None
        self._last = time.monotonic()
        self.folder.mkdir(parents=True, exist_ok=True)
        self._open()

    def note(self, values: dict) -> None:
        """Note that the files are complete up to here; `values`, which JSON can hold, say what is done."""
        self._noted = (values, {path.name: path.stat().st_size for path in self.folder.iterdir()})
        if time.monotonic() - self._last >= 60 * self.minutes:
            self.save()

    def save(self) -> None:
        """Save the last note; files are synced to the disk first, so that the note never names more than is there."""
        if not self._noted:
            return
        values, sizes = self._noted
        sums = {}
        for name, size in sizes.items():
            start, value = self._sums.get(name, (0, 0))
            if size < start:  # it was started over
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
        """Load the saved progress if the files match it, else start over; files it does not know are removed."""
        if self.path.exists():
            try:
                saved = verified(json.loads(self.path.read_text(encoding="utf-8")))
                for name, (size, value) in saved["files"].items():
                    if _checksum(self.folder / name, 0, size, 0) != value:
                        raise ValueError(f"{self.folder / name} is damaged")
                    os.truncate(self.folder / name, size)
                    self._sums[name] = size, value
                self.values = saved["values"]
            except (OSError, ValueError, RecursionError) as error:
                print(f"{self.path.parent}: starting over, as its progress cannot be used: {error}", file=sys.stderr)
                self._sums = {}
                self.path.unlink()
        for path in self.folder.iterdir():
            if path.name not in self._sums:
                path.unlink()


@contextmanager
def resumable(work: Path, minutes: float) -> Iterator[ResumableOutput]:
    """A resumable output in the folder `work`, whose progress is saved however the block ends."""
    output = ResumableOutput(work, minutes)
    try:
        yield output
    finally:
        with suppress(OSError):  # the disk is full: the progress saved before counts
            output.save()


def adopt(files: list[Path], out: str | Path) -> None:
    """Make the folder `out` of links to these files, or of copies on another file system; complete or not at all."""
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
                raise ValueError(f"{path} is truncated")
            value, start = crc32c(block, value), start + len(block)
    return value
