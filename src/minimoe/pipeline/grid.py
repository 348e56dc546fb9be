"""Run stages that do not depend on each other in parallel, such as the cells of the results table.

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
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from functools import partial
from multiprocessing import get_context, parent_process

from minimoe.pipeline import runner
from minimoe.pipeline.runner import as_main
from minimoe.system.errors import INTERRUPTED, UserError, exit_cleanly
from minimoe.system.interrupts import end_with

SPAWN = get_context("spawn")
FAILED = "a stage failed; see its message above, fix the cause and run again: finished stages do not rerun"
LOOK_SECONDS = 0.1  # between two looks at who is alive
Environment = dict[str, str]
Workers = Callable[[], list[Environment]]


def run(
    stages: list[str], workers: Workers, prepare: Callable[[], None], start: Callable[[str, list[str]], None] = as_main
) -> None:
    """Bring stages up to date, several at once; each worker takes the next one that nobody has begun.

    Args:
        stages: by DVC's names, the longest first; none depends on another.
        workers: one for each environment that it returns, whose variables that worker's stages see besides all others.
        prepare: sets the environment and imports what the stages need; may start no thread and initialise no GPU.
        start: runs a stage's module, as `runner.bring_up_to_date` says.

    Raises:
        UserError: a stage failed; the others have been tried all the same.
    """
    if not stages:
        return
    forge = SPAWN.Process(target=exit_cleanly, args=(partial(_forge, stages, workers, prepare, start),))
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


def _forge(stages: list[str], workers: Workers, prepare: Callable[[], None], start: Callable) -> None:
    """Import once, fork the workers, and end them all if one of them or the parent is killed."""
    os.setpgrp()
    gc.disable()  # what is imported stays: there is no garbage to look for, now or, frozen, in a fork
    if runner.WARM:
        prepare()
    gc.freeze()
    gc.enable()
    with ProcessPoolExecutor(1, runner.FORK) as pool:  # in a process that none is forked from: it may initialise a GPU
        environments = pool.submit(workers).result()[: len(stages)]
    taken = runner.FORK.Value("i", 0)
    shared = (stages, taken, start, os.getpid())
    running = [runner.FORK.Process(target=_work, args=(*shared, environment)) for environment in environments]
    for worker in running:
        worker.start()
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # the group's end: this process waits for the others
    while _well(running) and any(worker.is_alive() for worker in running):
        time.sleep(LOOK_SECONDS)
    if not _well(running):
        os.killpg(0, signal.SIGTERM)
    for worker in running:
        worker.join()
    sys.exit(any(worker.exitcode for worker in running))


def _well(workers: list) -> bool:
    """Whether neither the parent nor a worker was killed."""
    return parent_process().is_alive() and all((worker.exitcode or 0) >= 0 for worker in workers)


def _work(names: list[str], taken, start: Callable, forge: int, environment: Environment) -> None:
    """Take stages and bring them up to date, until none is left."""
    from tqdm import tqdm

    os.environ.update(environment)
    signal.signal(signal.SIGTERM, _interrupt)
    end_with(forge)
    tqdm.monitor_interval = 0  # no thread of its own, because this process forks
    try:
        sys.exit(runner.bring_up_to_date(_next(names, taken), start))
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)


def _interrupt(_signal, _frame) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise KeyboardInterrupt


def _next(names: list[str], taken) -> Iterator[str]:
    """The names that no other worker has been given."""
    while True:
        with taken:
            number = taken.value
            taken.value += 1
        if number >= len(names):
            return
        yield names[number]
