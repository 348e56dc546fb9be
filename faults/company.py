"""Two runs at once, a stage that outlives dvc, a worker process that is killed."""

import re
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

import psutil

from faults.kills import COLD
from faults.runs import Run
from faults.trial import Reference, Row, Strike, misbehaved

TOLD = r"a worker process was killed|wikiextractor (failed on|lost pages of)"  # by a stage whose worker was killed


def two(reference: Reference, count: int) -> list[Row]:
    """Start a run while another one is at work in the same folder."""
    row = Row("two `dvc repro` at once", "the second says that it is locked, or waits; here one of each kind")
    undone = ["records", "distill@sparse", "finetune@base/dense-rte", "report"]
    for number in range(count):
        cold = COLD if number % 2 else None
        reference.strike(row, undone, partial(_second, reference, cold), stops=None)
    return [row]


@contextmanager
def _second(reference: Reference, cold: list[str] | None, folder: Path) -> Iterator[Strike]:
    met = []

    def start(run: Run) -> str:
        run.until(["records"], reference.random.uniform(0, 4))
        second = Run(folder, cold=cold, log="second.log")
        met.extend([run.alive() and second.alive()])
        return misbehaved(second, second.end(), None)

    yield Strike(lambda run, code: any(met), start)


def orphan(reference: Reference, count: int) -> list[Row]:
    """Kill dvc alone, and start the next run at once, while its stage saves and ends."""
    row = Row("dvc killed alone", "its stage ends beside the next run")
    for stage in ("records", "distill@base", "teacher", "format", "sparsify@teacher", "finetune@teacher-rte")[:count]:
        reference.strike(row, [stage], partial(_orphaned, reference, stage), stops=None)
    return [row]


@contextmanager
def _orphaned(reference: Reference, stage: str, folder: Path) -> Iterator[Strike]:
    def kill(run: Run) -> None:
        run.until([stage], reference.random.uniform(0, 0.7) * reference.seconds[stage])
        run.kill(signal.SIGKILL, "dvc")

    yield Strike(lambda run, code: run.ended_by(signal.SIGKILL, code), kill)


def worker(reference: Reference, count: int) -> list[Row]:
    """Kill a worker process of a stage that has several."""
    row = Row("a worker process killed", "while records are built, sentences are cut, documents are extracted")
    for stage in ("records", "format", "extract")[:count]:
        reference.strike(row, [stage], partial(_killed, stage), stops=None)
    return [row]


@contextmanager
def _killed(stage: str, folder: Path) -> Iterator[Strike]:
    def kill(run: Run) -> None:
        run.until([stage])
        while run.alive():
            with suppress(psutil.Error):
                workers = [child for child in psutil.Process(run.pid).children(recursive=True) if _works(child)]
                if workers:
                    return workers[0].kill()
            time.sleep(0.002)

    yield Strike(lambda run, code: bool(code) and re.search(TOLD, run.text) is not None, kill)


def _works(process: psutil.Process) -> bool:
    """Whether this is a worker of joblib's, or one of wikiextractor's."""
    line = " ".join(process.cmdline())
    return "LokyProcess" in line or ("wikiextractor" in line and process.parent().cmdline() == process.cmdline())
