"""Run the stages of a pipeline in waves, those of a wave side by side as far as they do not depend on each other.

Importing PyTorch, Transformers and MLflow takes about as long as training a small cell, and so does DVC's rewriting of
dvc.lock after every stage. So one process, the forge, imports all of it once and forks workers. A worker takes the
next stage, lets DVC see to its dependencies, cache and lock file, and instead of starting `python -m stages.…` anew
runs that module in a fork of itself (`runner`). What is computed is the same as under plain `dvc repro`, which needs
none of this.

    repro ── forge ─┬─ worker ── stage
                    └─ worker ── stage     from the forge on one process group, which ends as a whole
"""

import gc
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context, parent_process

from minimoe.pipeline import runner
from minimoe.pipeline.progress import Progress
from minimoe.pipeline.runner import as_main
from minimoe.system.errors import UserError, exit_cleanly
from minimoe.system.interrupts import end_with

SPAWN = get_context("spawn")
FAILED = "a stage failed; see its message above, fix the cause and run again: finished stages do not rerun"
LOOK_SECONDS = 0.1  # between two looks at who is alive, and at what is done
OPEN, BEGUN, DONE = range(3)  # of a stage
Environment = dict[str, str]
Stages = Mapping[str, set[str]]  # names, in the order in which they begin, each with those that have to be done before
Workers = Callable[[], list[Environment]]


def alone() -> list[Environment]:
    """One worker, which sees what this process sees."""
    return [{}]


def apart(names: list[str]) -> Stages:
    """Stages that do not depend on each other."""
    return {name: set() for name in names}


@dataclass(frozen=True)
class Wave:
    """Stages that are brought up to date once those of the wave before are.

    stages: returns them when it is their turn, for only then is known what is stale.
    workers: returns an environment for each worker, whose variables its stages see besides all others.
    start: runs a stage's module, as `runner.bring_up_to_date` says.
    ends: when one fails, none of the rest is begun; stages that depend on each other need it.
    """

    stages: Callable[[], Stages]
    workers: Workers = alone
    start: Callable[[str, list[str]], None] = as_main
    ends: bool = False


class Board:
    """What workers tell each other: which stages of a wave are begun and done, and whether one failed and ends it."""

    def __init__(self, stages: Stages):
        self.names = list(stages)
        self.before = [{self.names.index(name) for name in stages[stage]} for stage in self.names]
        self.states = runner.FORK.Array("b", len(self.names))
        self.ended = runner.FORK.Value("b", False)

    def take(self) -> Iterator[str]:
        """The stages that no other worker has taken, each once what it depends on is done."""
        while True:
            with self.states.get_lock():
                free = [number for number, state in enumerate(self.states) if state == OPEN]
                if not free or self.ended.value:
                    return
                ready = (number for number in free if all(self.states[other] == DONE for other in self.before[number]))
                if (number := next(ready, None)) is not None:
                    self.states[number] = BEGUN
            if number is None:
                time.sleep(LOOK_SECONDS)
            else:
                yield self.names[number]

    def done(self, stage: str) -> None:
        """That a stage is up to date now."""
        self.states[self.names.index(stage)] = DONE


def run(waves: list[Wave], prepare: Callable[[], None], progress: Progress | None = None) -> None:
    """Bring the stages of each wave up to date; a worker takes the next one that nobody has begun.

    Args:
        waves: one after another.
        prepare: sets the environment and imports what the stages need; may start no thread and initialise no GPU.
        progress: is told of every stage that is done.

    Raises:
        UserError: a stage failed. The others of its wave were tried all the same, unless it `ends`; no later wave was.
    """
    forge = SPAWN.Process(target=exit_cleanly, args=(partial(_forge, waves, prepare, progress),))
    forge.start()
    try:
        forge.join()
    finally:
        if forge.exitcode is None or forge.exitcode < 0:  # Ctrl-C, which reaches this process alone; or it was killed
            forge.terminate()
            with suppress(ProcessLookupError):  # no group yet, or nobody left in it
                os.killpg(forge.pid, signal.SIGTERM)
            forge.join()
    if forge.exitcode:
        raise UserError(FAILED)


def _forge(waves: list[Wave], prepare: Callable[[], None], progress: Progress | None) -> None:
    """Import once, then go through the waves."""
    os.setpgrp()
    gc.disable()  # what is imported stays: there is no garbage to look for, now or, frozen, in a fork
    if runner.WARM:
        prepare()
    gc.freeze()
    gc.enable()
    for wave in waves:
        with ProcessPoolExecutor(1, runner.FORK, _end_at_once) as pool:  # none is forked from it: it may open a GPU
            stages = pool.submit(wave.stages).result()
            environments = pool.submit(wave.workers).result()[: len(stages)] if stages else []
            if progress:
                progress.left &= pool.submit(progress.outdated).result()
        if not _done(wave, stages, environments, progress):
            sys.exit(1)


def _done(wave: Wave, stages: Stages, environments: list[Environment], progress: Progress | None) -> bool:
    """Fork the workers of a wave, and end them all if one of them or the parent is killed; whether all went well."""
    board, told = Board(stages), runner.FORK.SimpleQueue()
    shared = (wave, board, told, os.getpid())
    running = [runner.forked(_work, *shared, environment) for environment in environments]
    for worker in running:
        runner.begin(worker)
    usual = signal.signal(signal.SIGTERM, signal.SIG_IGN)  # the group's end: this process waits for the others
    at_work = bool(running)
    while at_work and _well(running):
        time.sleep(LOOK_SECONDS)
        at_work = any(worker.is_alive() for worker in running)
        while not told.empty():
            stage, seconds = told.get()
            if progress:
                progress.done(stage, seconds and seconds / len(running))
    if not _well(running):
        os.killpg(0, signal.SIGTERM)
    for worker in running:
        worker.join()
    signal.signal(signal.SIGTERM, usual)
    return not any(worker.exitcode for worker in running)


def _well(workers: list) -> bool:
    """Whether neither the parent nor a worker was killed."""
    return parent_process().is_alive() and all((worker.exitcode or 0) >= 0 for worker in workers)


def _work(wave: Wave, board: Board, told, forge: int, environment: Environment) -> None:
    """Take stages and bring them up to date, until none is left."""
    from tqdm import tqdm

    os.environ.update(environment)
    signal.signal(signal.SIGTERM, _interrupt)
    end_with(forge)
    tqdm.monitor_interval = 0  # no thread of its own, because this process forks

    def tell(done: tuple[str, float | None]) -> None:
        board.done(done[0])
        told.put(done)

    failed = True
    try:
        failed = runner.bring_up_to_date(board.take(), wave.start, tell, wave.ends)
    finally:
        if failed and wave.ends:
            board.ended.value = True
    sys.exit(failed)


def _end_at_once() -> None:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _interrupt(_signal, _frame) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise KeyboardInterrupt
