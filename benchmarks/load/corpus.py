"""Made-up text of 20 MB, ten and a hundred times as much, through formatting, records and loading.

Formatting and records are made by this machine's processes, and again by a Dask cluster of as many workers, which must
write the same bytes.
"""

import hashlib
import json
from collections.abc import Callable
from functools import partial
from multiprocessing import get_context
from pathlib import Path

from benchmarks.load.watch import disk, watch
from benchmarks.text import text, write_tokenizer
from minimoe.corpus.build import build_records
from minimoe.corpus.format import format_corpus
from minimoe.corpus.parallel import cluster
from minimoe.records.dataset import Records
from minimoe.records.shuffle import shuffled
from minimoe.system.files import write_json
from minimoe.system.machine import cores

FILES = 25  # of 0.8 megabytes, times the size
BATCH = 32


def write(folder: Path, times: int) -> None:
    """Write the text as wikiextractor does, once."""
    extracted = folder / "extracted"
    if (folder / "tokenizer").exists():
        return
    extracted.mkdir(parents=True)
    with get_context("fork").Pool(cores()) as pool:
        pool.map(partial(_write_file, extracted), range(FILES * times), chunksize=4)
    write_tokenizer(folder / "tokenizer")


def _write_file(folder: Path, number: int) -> None:
    documents = (f'<doc title="T">\nT\n{body.replace(chr(10), " ")}\n</doc>\n' for body in text(number).split("\n\n"))
    (folder / f"{number:05d}").write_text("".join(documents))


def run(folder: Path, times: int) -> list[dict]:
    """For each step what was seen; a step that has been measured in this folder is not run again."""
    write(folder, times)
    on_dask = folder / "dask"
    on_dask.mkdir(exist_ok=True)
    for name in ("extracted", "tokenizer"):
        if not (on_dask / name).exists():
            (on_dask / name).symlink_to(folder / name)
    rows = [_measured(step, work, folder, written) for step, (work, written) in STEPS.items()]
    for step, (work, written) in DASK.items():
        rows.append(_measured(f"{step} on Dask", work, on_dask, written))
        ours = next(row for row in rows if row["step"] == step)
        if rows[-1]["sha256"] != ours["sha256"]:
            raise SystemExit(f"{on_dask / written}: expected the bytes of {folder / written}; a cluster wrote others")
    return [{"times": times, "workers": cores()} | row for row in rows]


def _measured(step: str, work: Callable[[Path], None], folder: Path, written: str | None) -> dict:
    file = folder / f"{step}.json"
    if not file.exists():
        seen = watch(work, folder)
        row = {"step": step, "seconds": seen.seconds, "memory": seen.peak, "disk": 0.0}
        if written:
            row |= {"disk": disk(folder / written), "sha256": _digest(folder / written)}
        write_json(file, row)
    return json.loads(file.read_text())


def _digest(folder: Path) -> str:
    """One sum over names and contents of a folder's files."""
    digest = hashlib.sha256()
    for path in sorted(folder.iterdir()):
        with path.open("rb") as file:
            digest.update(path.name.encode() + hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()


def _format(folder: Path) -> None:
    format_corpus(folder / "extracted", folder / "formatted", "en", "sentencex", 7, cores())


def _records(folder: Path) -> None:
    build_records(folder / "formatted", folder / "tokenizer", folder / "records", 128, 0.1, 65536, 0.002, 776, cores())


def _load(folder: Path) -> None:
    """An epoch in random order, in batches."""
    records = Records(folder / "records")
    order = shuffled(range(len(records)), 776, 0, 0, len(records))
    for start in range(0, len(records), BATCH):
        records.batch(order[start : start + BATCH])


def _on_dask(work: Callable[[Path], None], folder: Path) -> None:
    """The work done by a cluster, whose scheduler and workers are processes of their own."""
    from distributed import LocalCluster

    with (
        LocalCluster(n_workers=cores(), threads_per_worker=1, dashboard_address=None) as made,
        cluster("dask", made.scheduler_address),
    ):
        work(folder)


STEPS = {  # what is run, and the folder that it writes
    "format": (_format, "formatted"),
    "records": (_records, "records"),
    "load": (_load, None),
}
DASK = {step: (partial(_on_dask, STEPS[step][0]), STEPS[step][1]) for step in ("format", "records")}
