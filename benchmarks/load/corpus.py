"""Made-up text of 20 MB, ten and a hundred times as much, through formatting, records and loading."""

import json
from functools import partial
from multiprocessing import get_context
from pathlib import Path

from benchmarks.load.watch import disk, watch
from benchmarks.text import text, write_tokenizer
from minimoe.corpus.build import build_records
from minimoe.corpus.format import format_corpus
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
    rows = []
    for step, (work, written) in STEPS.items():
        file = folder / f"{step}.json"
        if not file.exists():
            seen = watch(work, folder)
            size = disk(folder / written) if written else 0.0
            write_json(file, {"step": step, "seconds": seen.seconds, "memory": seen.peak, "disk": size})
        rows.append({"times": times} | json.loads(file.read_text()))
    return rows


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


STEPS = {  # what is run, and the folder that it writes
    "format": (_format, "formatted"),
    "records": (_records, "records"),
    "load": (_load, None),
}
