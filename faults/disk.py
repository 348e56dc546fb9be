"""A disk that is full, and a folder that is read-only.

Both strike when a stage has begun, as another program that fills the disk would. Where nothing may be mounted, the full
disk is a limit on the size of files, and the read-only folder a file in its place.
"""

import errno
import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from functools import partial
from pathlib import Path

from faults import mounts
from faults.runs import Run
from faults.trial import Reference, Row, Strike

STAGES = {  # of every kind, and where it writes
    "extract": "data",
    "records": "data",
    "teacher": "models",
    "distill@base": "models",
    "finetune@base/moe-rte": "finetuned",
    "sparsify@teacher": "models",
    "finetune@teacher-rte": "metrics",
}
SMALLEST = 1 << 12  # bytes that are left on a full disk, at most
REFUSED = [  # what a process that may not write is told
    os.strerror(number) for number in (errno.ENOSPC, errno.EFBIG, errno.EROFS, errno.ENOTDIR, errno.EEXIST)
]
LARGEST = 1 << 16  # bytes of a file, where that is limited


def full(reference: Reference, count: int) -> list[Row]:
    """Leave a stage less room than its output takes, then all of it."""
    row = Row("a full disk", "a small tmpfs" if mounts.possible() else "a limit on the size of files (RLIMIT_FSIZE)")
    for stage in list(STAGES)[:count]:
        disk = mounts.small_disk if mounts.possible() else nullcontext
        fault = partial(_filled if mounts.possible() else _limited, reference, stage)
        reference.strike(row, [stage], fault, stops=None, disk=disk)
    return [row]


def locked(reference: Reference, count: int) -> list[Row]:
    """Let a stage find its folder read-only."""
    row = Row("a read-only output folder", "a mount" if mounts.possible() else "a file in the folder's place")
    for stage, place in list(STAGES.items())[:count]:
        fault = partial(_mounted if mounts.possible() else _replaced, place)
        reference.strike(row, [stage], fault, stops=True)
    return [row]


@contextmanager
def _filled(reference: Reference, stage: str, folder: Path) -> Iterator[Strike]:
    """The file system becomes as full as it can be while the stage is at work."""

    def fill(run: Run) -> None:
        run.until([stage], reference.random.uniform(0, 0.3) * reference.seconds[stage])
        mounts.resize(folder, reference.random.randrange(SMALLEST))

    yield Strike(_refused, fill)
    mounts.resize(folder, None)


@contextmanager
def _limited(reference: Reference, stage: str, folder: Path) -> Iterator[Strike]:
    """No file of the stage's process can grow any more, once it is larger than a few."""

    def limit(run: Run) -> None:
        if run.until([stage]) and (process := run.stage_process()):
            process.rlimit(resource.RLIMIT_FSIZE, (LARGEST, LARGEST))

    yield Strike(_refused, limit)


@contextmanager
def _mounted(place: str, folder: Path) -> Iterator[Strike]:
    with mounts.read_only(folder / place):
        yield Strike(_refused)


@contextmanager
def _replaced(place: str, folder: Path) -> Iterator[Strike]:
    (folder / place).rename(folder / "away")
    (folder / place).touch()
    yield Strike(_refused)
    (folder / place).unlink()
    (folder / "away").rename(folder / place)


def _refused(run: Run, code: int) -> bool:
    """Whether somebody was not allowed to write, and said so."""
    return any(reason in run.text for reason in [*REFUSED, "database or disk is full"])
