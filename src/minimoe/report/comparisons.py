"""Compare two models over the tasks.

The unit of a comparison is a task (two columns of one task are averaged first, because they rise and fall
together). The interval is Student's 95 % interval of the mean difference over tasks. It holds the noise of
finetuning, because each task is finetuned independently; it does not hold the luck of a single distillation.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache

import pandas as pd
from scipy import stats

from minimoe.report.scores import signed

FEWEST_TASKS = 3  # for an interval


@dataclass(frozen=True)
class Comparison:
    """`first` minus `second`, in points of score; low and high are None with fewer than three tasks."""

    question: str  # what the two differ in
    subject: str  # likewise, as a sentence begins
    first: str
    second: str
    mean: float
    low: float | None
    high: float | None
    above: int  # tasks on which first is above second
    tasks: int
    heldout: tuple[float, float] | None = None  # held-out losses, where they measure the same
    macs: float = 1.0  # first's multiply-adds over second's
    parameters: float = 1.0  # likewise
    latency: Mapping[str, float] = field(default_factory=dict)  # likewise, by batch size

    @property
    def verdict(self) -> str:
        """In a word or two, whether the difference is one."""
        if self.low is None:
            return "too few tasks to tell"
        if self.low <= 0 <= self.high:
            return "not told apart from noise"
        return "higher" if self.mean > 0 else "lower"

    @property
    def evidence(self) -> str:
        """The difference, its interval and the count of tasks."""
        interval = "" if self.low is None else f", 95 % interval {signed(self.low)} to {signed(self.high)}"
        return f"{signed(self.mean)} points{interval}, above on {self.above} of {self.tasks} tasks"

    @property
    def heldout_change(self) -> str:
        """How the held-out loss differs, in words; empty where the two cannot be compared."""
        if self.heldout is None:
            return ""
        first, second = self.heldout
        if first == second:
            return "the same"
        side = "lower" if first < second else "higher"
        return f"{abs(first / second - 1):.1%} {side}".replace("%", " %")


def task_means(scores: pd.DataFrame) -> pd.Series:
    """The mean score by task, of rows of columns of the results table: columns task and mean."""
    return scores.groupby("task")["mean"].mean()


def compare(scores: pd.Series, others: pd.Series, **about: object) -> Comparison:
    """Compare two scores by task."""
    difference = scores.to_numpy() - others.to_numpy()  # of the same tasks; ten times as fast as by their names
    mean, count = difference.mean(), len(difference)
    half = None
    if count >= FEWEST_TASKS:
        half = _quantile(count - 1) * (difference.std(ddof=1) / count**0.5)
    return Comparison(
        mean=mean, low=None if half is None else mean - half, high=None if half is None else mean + half,
        above=int((difference > 0).sum()), tasks=count, **about,
    )  # fmt: skip


@cache
def _quantile(freedom: int) -> float:
    return stats.t.ppf(0.975, freedom)
