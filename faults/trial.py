"""A fault's row of the table, and how one is tried: a run with the fault, a run after it, the same bytes or not."""

import json
import shutil
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import NamedTuple

from faults.pipeline import copy, make, outputs, stages
from faults.runs import HUNG, TRACEBACK, Run, strays
from minimoe.system.files import write_json

TRIES = 10  # of a fault that was not seen to strike, each at another moment


class Strike(NamedTuple):
    """What a fault does while a run is under way, and how it is seen that it struck."""

    seen: Callable[[Run, int], bool]  # of the run when it has ended, and its exit code
    during: Callable[[Run], str | None] = lambda run: None  # returns what went wrong then


Fault = Callable[[Path], AbstractContextManager[Strike]]


@dataclass
class Row:
    """How many faults of a kind were injected, and what became of them."""

    fault: str
    how: str = ""  # it was injected, where there are several ways
    injected: int = 0  # that were seen to strike
    missed: int = 0  # that were not, and were tried again
    survived: int = 0  # the run told of it in a line where there is something to tell, and the next one ended well
    identical: int = 0  # every output to the byte, and no temporary file left
    lost: int = 0  # finished stages that had to run again
    remarks: list[str] = field(default_factory=list)  # what went otherwise

    @property
    def good(self) -> bool:
        """Whether it is as it should be: all, all, none."""
        return 0 < self.injected == self.survived == self.identical and not self.lost and not self.remarks


class Reference:
    """The pipeline after one run without faults, in `base`; it is made where it is missing."""

    def __init__(self, base: Path, seed: int):
        self.base, self.folder = base, base / "reference"
        times = base / "seconds.json"
        if not times.exists():
            write_json(times, _seconds(Run(make(self.folder))))
        self.seconds: dict[str, float] = json.loads(times.read_text())  # that a stage takes, in the order of the run
        self.stages, self.outputs = list(self.seconds), outputs(self.folder)
        if not self.outputs:
            raise SystemExit(f"{self.folder}: the run without faults has no outputs to compare with")
        self.random = Random(seed)
        self._trials = 0

    def place(self) -> Path:
        """Where the next trial's folder is to be."""
        self._trials += 1
        folder = self.base / f"trial-{self._trials:03d}"
        for left in (folder, Path(f"{folder}.dvc")):  # by an earlier time
            shutil.rmtree(left, ignore_errors=True)
        return folder

    def trial(self, undone: list[str], folder: Path | None = None) -> Path:
        """A copy in which these stages have not run."""
        return copy(self.folder, folder or self.place(), undone)

    def strike(
        self,
        row: Row,
        undone: list[str],
        fault: Fault,
        stops: bool | None,
        cold: list[str] | None = None,
        disk: Callable[[Path], AbstractContextManager] = nullcontext,
    ) -> None:
        """Inject one fault, until it is seen to strike, and count what becomes of it.

        Args:
            undone: the stages that have not run.
            fault: makes the fault in a folder and takes it away.
            stops: whether the run has to stop, in which case it says why in a line, or to go on; None: either.
            cold: the command, in place of a warm `dvc repro`.
            disk: gives a folder a file system of its own.
        """
        for _ in range(TRIES):
            folder = self.place()
            with disk(folder):
                self.trial(undone, folder)
                if self._struck(row, folder, fault, stops, cold):
                    return
        row.remarks.append(f"not seen to strike in {TRIES} tries: {', '.join(undone) or 'any stage'}")

    def _struck(self, row: Row, folder: Path, fault: Fault, stops: bool | None, cold: list[str] | None) -> bool:
        """Whether the fault was seen to strike; either way all that it left is compared."""
        done = set(stages(folder))
        with fault(folder) as strike:
            run = Run(folder, cold=cold)
            wrong = strike.during(run)
            code = run.end()
            harmless = not code and outputs(folder) == self.outputs
            struck = strike.seen(run, code)
        row.injected += struck
        row.missed += not struck
        said = misbehaved(run, code, stops if struck else False)
        self.finish(row, folder, done, wrong=wrong or ("" if harmless else said), counts=struck)
        return struck

    def finish(self, row: Row, folder: Path, done: set[str], wrong: str, counts: bool) -> None:
        """Run what is left, without faults: was the fault survived, are all outputs identical?"""
        after = Run(folder, log="after.log")
        if code := after.end():
            wrong = wrong or f"the next run ended with {code}: {after.problem()}"
        elif repeated := done & set(after.ran):
            row.lost += len(repeated)
            row.remarks.append(f"ran again: {', '.join(sorted(repeated))}")
        for process in strays(folder):  # that have had all of that run to end
            wrong = wrong or f"left behind: process {' '.join(process.cmdline())}"
            process.kill()
        made = outputs(folder)
        if differ := sorted(path for path in made.keys() | self.outputs if made.get(path) != self.outputs.get(path)):
            row.remarks.append(f"{folder.name}: other outputs: {', '.join(differ[:4])}, {len(differ)} in all")
        if wrong:
            row.remarks.append(f"{folder.name}: {wrong}")
        if not wrong and not row.remarks:
            shutil.rmtree(folder, ignore_errors=True)  # a mount's contents
            shutil.rmtree(f"{folder}.dvc", ignore_errors=True)
        row.survived += counts and not wrong
        row.identical += counts and not differ


def _seconds(run: Run) -> dict[str, float]:
    """How long every stage of a run takes, by name."""
    begun = {}
    while run.alive():
        for name in run.ran:
            begun.setdefault(name, time.monotonic())
        time.sleep(0.01)
    if run.end():
        raise SystemExit(f"the run without faults failed:\n{run.text}")
    ends = [*list(begun.values())[1:], time.monotonic()]
    return {name: end - start for (name, start), end in zip(begun.items(), ends, strict=True)}


def misbehaved(run: Run, code: int, stops: bool | None) -> str:
    """What was wrong with how the run with the fault ended; nothing where it was right."""
    said = run.problem()
    broke = said.startswith(TRACEBACK)
    if not broke and run.ended_by_any(code):  # by whoever injects faults
        return ""
    if code == HUNG:
        return "hung"
    if code == 0:
        return "went on as if nothing were wrong" if stops else ""
    if stops is False:
        return f"stopped: {said}"
    return "" if said and not broke else f"stopped with {said or 'no word on why'}"
