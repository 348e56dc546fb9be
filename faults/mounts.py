"""File systems of one's own: a small one that fills up, a folder that is read-only.

Mounting takes a mount namespace, which nobody else sees and which ends with its last process. A user who is not root
becomes it in a namespace of users, where the kernel allows that.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

INSIDE = "MINIMOE_FAULTS_MOUNTS"
ROOM = 1 << 30  # bytes of a file system that is not full
TRIES = 100


def enter(module: str) -> None:
    """Start `python -m module` again in a mount namespace, unless this is it or there can be none."""
    command = ["unshare", "--mount", *([] if os.geteuid() == 0 else ["--map-root-user"])]
    if INSIDE in os.environ or not shutil.which("unshare") or subprocess.run([*command, "true"]).returncode:
        return
    os.environ[INSIDE] = "1"
    os.execvp(command[0], [*command, sys.executable, "-m", module, *sys.argv[1:]])


def possible() -> bool:
    """Whether this process may mount."""
    return INSIDE in os.environ


@contextmanager
def small_disk(folder: Path) -> Iterator[None]:
    """A file system of its own at `folder`, with `ROOM` until `resize` says otherwise."""
    folder.mkdir()
    _mount("-t", "tmpfs", "-o", f"size={ROOM}", "tmpfs", folder)
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


def resize(folder: Path, free: int | None) -> None:
    """Leave `free` bytes on the file system of `small_disk`, or all of its room."""
    for _ in range(TRIES):  # one fails when something is written between the look and the change
        size = ROOM if free is None else shutil.disk_usage(folder).used + free
        if not subprocess.run(["mount", "-o", f"remount,size={size}", folder], capture_output=True).returncode:
            return
    raise RuntimeError(f"{folder}: cannot be made {size} bytes large")


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """Nothing below `folder` can be written."""
    _mount("--bind", folder, folder)
    _mount("-o", "remount,ro,bind", folder)
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


def _mount(*arguments: str | Path) -> None:
    subprocess.run(["mount", *arguments], check=True)
