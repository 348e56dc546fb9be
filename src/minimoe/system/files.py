"""Write files and folders atomically: under a temporary name, then renamed; and checksums.

The temporary file lies in a hidden folder beside the output, locked by the process that writes it. A killed process
leaves its folder without a lock, and the next process to write the same output deletes it.
"""

import fcntl
import glob
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from crc32c import crc32c

SUM = "crc32c"  # the key of a checksum
LOCK = ".lock"  # a file, because NFS locks no folders


@contextmanager
def whole_folder(path: str | Path) -> Iterator[Path]:
    """A temporary folder beside `path` that takes its name when the block ends without an error."""
    path = Path(path)
    with _beside(path) as folder:
        temporary = folder / path.name
        temporary.mkdir()
        yield temporary
        with suppress(FileNotFoundError):
            path.rename(folder / "before")
        temporary.rename(path)


@contextmanager
def whole_file(path: str | Path) -> Iterator[Path]:
    """A temporary file name beside `path` that takes its place when the block ends without an error."""
    path = Path(path)
    with _beside(path) as folder:
        temporary = folder / path.name
        yield temporary
        temporary.replace(path)


def write_json(path: str | Path, value: object) -> None:
    """Write `value` as indented JSON, whole or not at all; NaN is refused."""
    with whole_file(path) as temporary:
        temporary.write_text(json.dumps(value, indent=2, allow_nan=False) + "\n", encoding="utf-8")


def sync(path: str | Path) -> None:
    """Wait until a file, or a folder's list of names, is on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def checksum(path: Path) -> int:
    """CRC-32C of a file."""
    value = 0
    with path.open("rb") as file:
        while block := file.read(1 << 22):
            value = crc32c(block, value)
    return value


def signed(values: dict) -> dict:
    """Add a checksum to a dict that will be written as JSON."""
    return values | {SUM: _sum(values)}


def verified(values: object) -> dict:
    """Check and remove the checksum that `signed` added; `ValueError` where it is wrong."""
    own = {key: value for key, value in values.items() if key != SUM} if isinstance(values, dict) else {}
    if not own or values.get(SUM) != _sum(own):
        raise ValueError("its checksum is wrong")
    return own


def _sum(values: dict) -> int:
    return crc32c(json.dumps(values, sort_keys=True).encode())


def checksums(path: str | Path) -> dict[str, str]:
    """SHA-256 of a file, under its name, or of all files in a folder, by their paths in it."""
    path = Path(path)
    files = sorted(file for file in [path, *path.rglob("*")] if file.is_file())
    found = {}
    for file in files:
        with file.open("rb") as content:
            name = str(file.relative_to(path if path.is_dir() else path.parent))
            found[name] = hashlib.file_digest(content, "sha256").hexdigest()
    return found


def outside_workspaces() -> Path:
    """The repository's folder, also within a temporary workspace of DVC, which is deleted with all that is in it."""
    root = Path.cwd()
    if ".dvc" in root.parts:  # dvc exp run --temp: <repository>/.dvc/tmp/exps/…
        root = Path(*root.parts[: root.parts.index(".dvc")])
    return root


@contextmanager
def _beside(path: Path) -> Iterator[Path]:
    """A hidden folder beside `path`, for as long as the block; those of processes that were killed are deleted."""
    path.parent.mkdir(parents=True, exist_ok=True)
    for left in path.parent.glob(f".{glob.escape(path.name)}.????????.partial"):
        with suppress(OSError), (left / LOCK).open("r+") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(left)
    folder = Path(tempfile.mkdtemp(prefix=f".{path.name}.", suffix=".partial", dir=path.parent))
    try:
        with (folder / f"{LOCK}.new").open("w") as file:
            with suppress(OSError):  # a file system without locks: what is left there stays
                fcntl.flock(file, fcntl.LOCK_EX)
                (folder / f"{LOCK}.new").rename(folder / LOCK)  # nobody sees it before it is locked
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
