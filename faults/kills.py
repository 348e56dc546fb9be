"""Signals at random moments: to a stage, to DVC, to all processes of a run, to `python -m minimoe repro`."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from itertools import chain, repeat
from pathlib import Path

from faults.runs import Run, left_behind
from faults.trial import Reference, Row, Strike

WHOM = {"stage": 1, "all": 1}  # who gets the signal, with weights of the draw
SIGNALS = {signal.SIGKILL: 4, signal.SIGTERM: 1}
COLD, COLD_DVC = ["minimoe", "repro"], ["dvc", "repro"]
COLD_SECONDS = (1.0, 12.0)  # of a cold run, in which its imports are over
SHORTEST = 0.3  # seconds of a stage that a signal can catch at work
SHARES = (1.0, 0.5, 0.1)  # of a stage's seconds, within which it is killed, try by try; then at its start
OFTEN = 3  # every so many kills, the run has been killed before


def over_stages(reference: Reference, count: int) -> list[Row]:
    """Kill every stage about equally often, from its start to its usual end; some runs for the second time."""
    names = [name for name, seconds in reference.seconds.items() if seconds > SHORTEST]
    row = Row("killed at a random moment of any stage", "SIGKILL, some SIGTERM, to the stage or to all processes")
    for number in range(count):
        name = names[number * len(names) // count]
        fault = partial(_killed, reference, name, 1 + (number % OFTEN == OFTEN - 1), chain(SHARES, repeat(0.0)))
        undone = [name, "report"] if name.startswith("cost") else [name]  # a report of other times is another one
        reference.strike(row, undone, fault, stops=None)
    return [row]


@contextmanager
def _killed(reference: Reference, stage: str, times: int, shares: Iterator[float], folder: Path) -> Iterator[Strike]:
    random, share = reference.random, next(shares)
    number, whom = _draw(random, SIGNALS), _draw(random, WHOM)

    def kill(run: Run) -> None:
        run.until([stage], random.uniform(0, share * reference.seconds[stage]))
        run.kill(number, whom)

    for time in range(1, times):
        kill(run := Run(folder, log=f"killed{time}.log"))
        run.end()
    yield Strike(lambda run, code: run.ended_by(number, code), kill)


def grid(reference: Reference, count: int) -> list[Row]:
    """End `python -m minimoe repro`, started from nothing, while it works on cells side by side."""
    rows = []
    cells = [name for name in reference.stages if name.startswith(("finetune", "cost", "report"))]
    for number in (signal.SIGKILL, signal.SIGTERM, signal.SIGINT):
        row = Row(f"{number.name} to repro at a random moment of the grid", "to `python -m minimoe repro` alone")
        for _ in range(count):
            reference.strike(row, cells, partial(_ended, reference, number), stops=None, cold=COLD)
        rows.append(row)
    return rows


@contextmanager
def _ended(reference: Reference, number: int, folder: Path) -> Iterator[Strike]:
    def end(run: Run) -> str:
        run.wait(reference.random.uniform(*COLD_SECONDS))
        run.kill(number, "dvc")
        return left_behind(folder)

    yield Strike(lambda run, code: run.ended_by(number, code), end)


def signals(reference: Reference, count: int) -> list[Row]:
    """End repro or DVC while a stage trains that is no cell: the stage saves and ends."""
    cases = [  # what is started from nothing, who gets which signal; DVC alone leaves SIGINT to its stage
        ("repro", COLD, signal.SIGTERM, "dvc"),
        ("DVC", COLD_DVC, signal.SIGTERM, "dvc"),
        ("repro", COLD, signal.SIGINT, "dvc"),
        ("DVC and its stage", COLD_DVC, signal.SIGINT, "all"),
    ]
    rows = []
    for name, command, number, whom in cases[:count]:
        row = Row(f"{number.name} to {name}")
        fault = partial(_signalled, reference, "distill@base", number, whom)
        reference.strike(row, ["distill@base"], fault, stops=None, cold=command)
        rows.append(row)
    return rows


@contextmanager
def _signalled(reference: Reference, stage: str, number: int, whom: str, folder: Path) -> Iterator[Strike]:
    def send(run: Run) -> None:
        # a cold stage imports first, for longer than a warm one takes
        run.until([stage], 2 + reference.random.uniform(0, 2 * reference.seconds[stage]))
        run.kill(number, whom)

    yield Strike(lambda run, code: run.ended_by(number, code), send)


def _draw(random, weights: dict):
    return random.choices(list(weights), list(weights.values()))[0]
