"""How far a run of the pipeline is: a line after each stage, with the stages done and the time left.

What a stage will take is what it took the last time, in work/seconds.json, or else the mean of those of its kind.
"""

import json
import time
from collections import defaultdict
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from statistics import mean

from minimoe.system.files import write_json

SECONDS = Path("work/seconds.json")  # by stage, of a machine to itself: shared out among the workers beside it


class Progress:
    """Prints a line for every stage that is done."""

    def __init__(self, stages: set[str], outdated: Callable[[], set[str]]):
        """`stages`: those that are stale, and those that depend on them; `outdated` looks which are by then."""
        self.left, self.outdated = set(stages), outdated
        self.count = len(stages)
        self.began = time.monotonic()
        self.seconds = _read()

    def done(self, stage: str, seconds: float | None) -> None:
        """Say that a stage is up to date.

        seconds: that it took, over the number of stages that ran at once; None where it was up to date before.
        """
        if stage not in self.left:
            return
        self.left.discard(stage)
        if seconds is None:
            return
        self.seconds[stage] = seconds
        with suppress(OSError):  # a full disk is for those to report who write results
            write_json(SECONDS, {name: round(value, 2) for name, value in sorted(self.seconds.items())})
        gone = time.monotonic() - self.began
        print(f"{self.count - len(self.left)} of {self.count} stages, {clock(gone)}{self._rest()}", flush=True)

    def _rest(self) -> str:
        """The time left, as far as it is known."""
        kinds = defaultdict(list)
        for stage, seconds in self.seconds.items():
            kinds[_kind(stage)].append(seconds)
        known = [self.seconds.get(stage) or mean(kinds[_kind(stage)]) for stage in self.left if kinds[_kind(stage)]]
        if not known:
            return ""
        return f"; {'about' if len(known) == len(self.left) else 'at least'} {clock(sum(known))} left"


def clock(seconds: float) -> str:
    """Minutes and seconds, or hours, minutes and seconds: 4:05 or 1:02:45."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def _kind(stage: str) -> str:
    return stage.partition("@")[0]


def _read() -> dict[str, float]:
    with suppress(OSError, ValueError):
        found = json.loads(SECONDS.read_text(encoding="utf-8"))
        if isinstance(found, dict):
            return {stage: float(value) for stage, value in found.items() if isinstance(value, int | float)}
    return {}
