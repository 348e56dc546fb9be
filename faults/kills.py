"""Kills at random moments, in a chain: every run is killed, the next one goes on, and one at last comes to the end."""

import signal
from collections.abc import Callable
from pathlib import Path

from faults.pipeline import make, stages, undo
from faults.runs import Run
from faults.trial import Reference, Row

WHOM = {"stage": 1, "all": 1}  # who gets the signal, with weights of the draw
SIGNALS = {signal.SIGKILL: 4, signal.SIGTERM: 1}
COLD = ["minimoe", "repro"]
COLD_SECONDS = (1.0, 12.0)  # of a cold run, in which its imports are over


def over_stages(reference: Reference, count: int) -> list[Row]:
    """Kill every stage about equally often, from its start to a little after its usual end."""
    random, names = reference.random, reference.stages
    row = Row("killed at a random moment of any stage", "SIGKILL, some SIGTERM, to the stage or to all processes")
    folder = make(reference.place())
    for number in range(count):
        at = number * len(names) // count

        def kill(run: Run, at: int = at) -> bool:
            struck = run.until(names[at:], random.uniform(0, 1.1 * reference.seconds[names[at]]))
            run.kill(_draw(random, SIGNALS), _draw(random, WHOM))
            return struck

        if not _once(row, folder, Run, kill):  # it came to the end first
            undo(folder, names[at:])
    reference.finish(row, folder, set(stages(folder)), chain=row.injected)
    return [row]


def grid(reference: Reference, count: int) -> list[Row]:
    """Kill `python -m minimoe repro`, started from nothing, while it works on cells side by side."""
    row = Row("killed at a random moment of the grid", "SIGKILL to `python -m minimoe repro`, from nothing")
    cells = [name for name in reference.stages if name.startswith(("finetune", "cost", "report"))]
    folder = reference.trial(cells)

    def kill(run: Run) -> bool:
        struck = run.wait(reference.random.uniform(*COLD_SECONDS))
        run.kill(signal.SIGKILL, "all")
        return struck

    for _ in range(count):
        _once(row, folder, lambda folder: Run(folder, cold=COLD), kill)
    reference.finish(row, folder, set(stages(folder)), chain=row.injected)
    return [row]


def _once(row: Row, folder: Path, start: Callable[[Path], Run], kill: Callable[[Run], bool]) -> bool:
    """One run of the chain, killed unless it ends before; it shows whether the kill before was survived.

    Returns whether it was killed.
    """
    done = set(stages(folder))
    run = start(folder)
    struck = kill(run)
    code = run.end()
    if repeated := done & set(run.ran):
        row.lost += len(repeated)
        row.remarks.append(f"ran again: {', '.join(sorted(repeated))}")
    if not struck and code:
        row.remarks.append(f"the run after kill {row.injected} ended with {code}: {run.problem()}")
    else:
        row.survived += row.injected > row.survived
    row.injected += struck
    return struck


def _draw(random, weights: dict):
    return random.choices(list(weights), list(weights.values()))[0]
