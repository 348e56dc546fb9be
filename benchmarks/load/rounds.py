"""A round over many records: its order, its batches and its progress, without a student and a teacher."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from benchmarks.load.watch import disk, watch
from minimoe.corpus.build import write_shards
from minimoe.corpus.tfrecord import IDS_AT, frame
from minimoe.records.dataset import INDEX, Records
from minimoe.records.manifest import MANIFEST, VERSION
from minimoe.resume.outputs import resumable
from minimoe.system.files import signed, write_json

RECORDS = 5_000_000
PART = 50_000  # records written at once
LONGEST = 48  # tokens
VOCABULARY = 20_000


def run(folder: Path, records: int = RECORDS) -> dict:
    """Time, memory in the first and in the last quarter of the round, and disk."""
    if not (folder / MANIFEST).exists():
        write(folder, records)
    seen = watch(pass_over, folder)
    quarters = [seen.median(seen.memory, part) for part in range(4)]
    return {
        "records": records,
        "seconds": seen.seconds,
        "quarters": quarters,
        "memory": seen.peak,
        "disk": disk(folder),
    }


def write(folder: Path, records: int) -> None:
    """Write so many records of random tokens, a multiple of `PART`; the last part is held out."""
    folder.mkdir(parents=True, exist_ok=True)
    with resumable(folder / "work", minutes=60) as output:
        shards = write_shards(output, lambda done: _parts(records), 1 << 20, training=-(-records // PART) - 1)
        for file in output.folder.iterdir():
            file.rename(folder / file.name)
    about = {"max_length": LONGEST, "vocabulary": VOCABULARY, "pad_id": 0, "segments": True, "dtype": "<u2"}
    counts = {"count": records, "heldout": shards[-1]["count"]}
    write_json(folder / MANIFEST, signed({"version": VERSION, **counts, "shards": shards} | about))


def _parts(records: int) -> Iterator[tuple[bytes, np.ndarray]]:
    rng = np.random.default_rng(0)
    for _ in range(0, records, PART):
        lengths = rng.integers(8, LONGEST + 1, PART)
        ids = rng.integers(5, VOCABULARY, lengths.sum(), "<u2").tobytes()
        ends = 2 * np.cumsum(lengths)
        frames = [frame(ids[end - 2 * length : end], 4) for end, length in zip(ends, lengths, strict=True)]
        starts = np.cumsum([IDS_AT, *map(len, frames[:-1])])
        yield b"".join(frames), np.array([(s, n, 4) for s, n in zip(starts, lengths, strict=True)], INDEX)


def pass_over(folder: Path) -> None:
    """One epoch of a round, in which a step does nothing."""
    from accelerate import Accelerator

    from minimoe.distill.data import RoundData
    from minimoe.params import load

    settings = load().distill.model_copy(update={"epochs": 1})
    for _ in RoundData(Records(folder), settings, 776, Accelerator(cpu=True), 0).steps_after():
        pass
