"""Damage on disk: a bit that flips, a file that is truncated.

DVC notices a file that has changed since it last looked, and takes it from its cache or makes it again. A disk that
goes bad changes no time stamp; then DVC takes the file for what it was, and who reads it has to notice: records and
dumps carry checksums. Of weights DVC alone has the checksum, and compares it where it has no memory of the file.
"""

import os
import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from random import Random

from faults.kills import COLD
from faults.runs import Run
from faults.trial import Reference, Row, Strike
from minimoe.resume.checkpoints import SUFFIX

Damage = Callable[[Path, Random], None]

FILES = {  # what is damaged: where it is, the stage that makes it, one that reads it and notices by itself
    "the dump": ("data/dump/*", "download", "extract"),
    "a shard": ("data/records/*.tfrecord", "records", "distill@sparse"),
    "an index": ("data/records/*.npy", "records", "sparsify@teacher"),
    "the manifest": ("data/records/manifest.json", "records", "teacher"),
    "a student": ("models/base/dense/model.safetensors", "distill@base", None),
    "the tokenizer": ("models/teacher/tokenizer.json", "teacher", None),
    "a task": ("data/tasks/rte/train.jsonl", "tasks", None),
}


def flip(path: Path, random: Random) -> None:
    """Flip one bit."""
    content = bytearray(path.read_bytes())
    content[random.randrange(len(content))] ^= 1 << random.randrange(8)
    path.write_bytes(content)


def cut(path: Path, random: Random) -> None:
    """Leave a part of the file."""
    os.truncate(path, random.randrange(path.stat().st_size))


def seen(reference: Reference, count: int) -> list[Row]:
    """Damage outputs of a finished pipeline."""
    rows = []
    for damage, name in ((flip, "a flipped bit"), (cut, "truncated")):
        row = Row(f"{name}: {', '.join(list(FILES)[:count])}")
        for pattern, *_ in list(FILES.values())[:count]:
            reference.strike(row, [], partial(_seen, reference, damage, pattern), stops=False)
        rows.append(row)
    return rows


def unseen(reference: Reference, count: int) -> list[Row]:
    """Damage outputs behind DVC's back: the stage that reads them tells, and its maker is run again."""
    rows = []
    for name, (pattern, maker, reader) in FILES.items():
        if reader:
            row = Row(f"a flipped bit, time stamp kept: {name}")
            for _ in range(count):
                reference.strike(row, [reader], partial(_unseen, reference, pattern, maker), stops=True)
            rows.append(row)
    pattern, maker, _ = FILES["a student"]
    row = Row("a flipped bit, time stamp kept: a student", "with a new DVC_SITE_CACHE_DIR, DVC's memory of files")
    reference.strike(row, [], partial(_forgotten, reference, pattern, maker), stops=False)
    return [*rows, row]


def lock(reference: Reference, count: int) -> list[Row]:
    """Cut dvc.lock, which DVC writes in place, as a kill at that moment does."""
    row = Row("dvc.lock truncated", "repaired by `python -m minimoe repro`")
    for _ in range(count):
        reference.strike(row, [], partial(_seen, reference, cut, "dvc.lock"), stops=False, cold=COLD)
    return [row]


def checkpoints(reference: Reference, count: int) -> list[Row]:
    """Kill a round, and damage every file of its checkpoints in a way."""
    rows = []
    for damage, name in ((flip, "a flipped bit"), (cut, "truncated")):
        row = Row(f"{name}: checkpoints of a round that was killed")
        for _ in range(count):
            reference.strike(row, ["distill@base"], partial(_checkpoint, reference, damage), stops=False)
        rows.append(row)
    return rows


@contextmanager
def _seen(reference: Reference, damage: Damage, pattern: str, folder: Path) -> Iterator[Strike]:
    changed = _changed(damage, _one(folder, pattern), reference.random)
    yield Strike(lambda run, code: changed)


def _changed(damage: Damage, path: Path, random: Random) -> bool:
    """Damage a file; whether its bytes are others now."""
    before = path.read_bytes()
    damage(path, random)
    return path.read_bytes() != before


@contextmanager
def _unseen(reference: Reference, pattern: str, maker: str, folder: Path) -> Iterator[Strike]:
    changed = _flip_unseen(reference, pattern, maker, folder)
    yield Strike(lambda run, code: changed)
    Run(folder, "--force", "--single-item", maker, log="made.log").end()


@contextmanager
def _forgotten(reference: Reference, pattern: str, maker: str, folder: Path) -> Iterator[Strike]:
    changed = _flip_unseen(reference, pattern, maker, folder)
    shutil.rmtree(f"{folder}.dvc", ignore_errors=True)
    yield Strike(lambda run, code: changed)


def _flip_unseen(reference: Reference, pattern: str, maker: str, folder: Path) -> bool:
    Run(folder, maker, log="seen.log").end()  # DVC looks at the file and remembers its time stamp
    path = _one(folder, pattern)
    before = path.stat()
    changed = _changed(flip, path, reference.random)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    return changed and path.stat().st_mtime_ns == before.st_mtime_ns


@contextmanager
def _checkpoint(reference: Reference, damage: Damage, folder: Path) -> Iterator[Strike]:
    run = Run(folder, log="killed.log")
    run.until(["distill@base"], reference.random.uniform(0.5, 0.9) * reference.seconds["distill@base"])
    run.kill(signal.SIGKILL, "all")
    killed = run.ended_by(signal.SIGKILL, run.end())
    found = [path for path in sorted((folder / "work").rglob("*")) if path.is_file() and "mlflow" not in str(path)]
    # an empty file has nothing to damage
    changed = [_changed(damage, path, reference.random) for path in found if path.stat().st_size]
    kept = [path for path in found if path.suffix == SUFFIX]
    yield Strike(lambda run, code: killed and all(changed) and bool(kept))


def _one(folder: Path, pattern: str) -> Path:
    return sorted(folder.glob(pattern))[0]
