"""Compare models over the tasks: differences in points, their intervals, and which of them are no chance.

A difference is the mean over tasks (two columns of one task are averaged first). Its interval is over other examples
and other seeds of finetuning, of the same tasks, and over other seeds of distillation where one side has several; it
does not hold what other tasks would show, nor the luck of distillation where there is one seed of everything. What is
told apart from noise is a test of all the comparisons together (`bootstrap.differences`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from minimoe.bootstrap.differences import LEVEL, Interval, corrected, interval
from minimoe.report.collect import Results
from minimoe.report.scores import signed, signed_loss


@dataclass(frozen=True, kw_only=True)
class Pair:
    """Two models to compare, or means of several: `first` minus `second`."""

    question: str = ""  # what the two differ in
    subject: str = ""  # likewise, as a sentence begins
    first: str
    second: str
    firsts: tuple[str, ...] = ()  # the models whose mean `first` is; none: it is one
    seconds: tuple[str, ...] = ()  # likewise
    heldout: tuple[float, float] | None = None  # held-out losses, where they measure the same
    heldout_by_seed: Interval | None = None  # first's loss minus second's, over the seeds that both have
    seeds: int = 0  # that both have
    macs: float = 1.0  # first's multiply-adds over second's
    parameters: float = 1.0  # likewise
    latency: Mapping[str, float] = field(default_factory=dict)  # likewise, by batch size

    @property
    def sides(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """The models on each side."""
        return self.firsts or (self.first,), self.seconds or (self.second,)

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


@dataclass(frozen=True, kw_only=True)
class Comparison(Pair):
    """A pair with its difference, in points of score."""

    mean: float
    low: float
    high: float
    p: float  # corrected for the number of comparisons
    by_task: Mapping[str, Interval]

    @property
    def above(self) -> int:
        """The number of tasks on which first is above second."""
        return sum(task.mean > 0 for task in self.by_task.values())

    @property
    def verdict(self) -> str:
        """In a word or two, whether the difference is one."""
        if self.p > LEVEL:
            return "not told apart from noise"
        return "higher" if self.mean > 0 else "lower"

    @property
    def heldout_evidence(self) -> str:
        """The held-out losses, how they differ, and the interval by seed; empty where they cannot be compared."""
        if self.heldout is None:
            return ""
        by_seed, text = self.heldout_by_seed, "{:.4f} against {:.4f}, ".format(*self.heldout) + self.heldout_change
        if by_seed is None:
            return text
        span = f"95 % interval {signed_loss(by_seed.low)} to {signed_loss(by_seed.high)}"
        return f"{text}; by seed {signed_loss(by_seed.mean)}, {span} (t, n = {self.seeds})"

    @property
    def evidence(self) -> str:
        """The difference, its interval, its p value and the count of tasks."""
        span = f"95 % interval {signed(self.low)} to {signed(self.high)}"
        tasks = f"above on {self.above} of {len(self.by_task)} tasks"
        return f"{signed(self.mean)} points, {span}, {p_value(self.p)}, {tasks}"


def p_value(p: float) -> str:
    """A p value as text."""
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}" if p < 0.1 else f"p = {p:.2f}"


def compare(results: Results, pairs: Sequence[Pair]) -> list[Comparison]:
    """Compare the pairs, whose number p values are corrected for."""
    if not pairs:
        return []
    place, tasks = {model: row for row, model in enumerate(results.models)}, list(results.by_task.columns)
    scores, drawn = results.by_task.to_numpy(), results.replicates
    means, totals, details = [], [], []
    for pair in pairs:
        first, second = ([place[model] for model in side] for side in pair.sides)
        luck = results.luck.between(first, second)
        difference = scores[first].mean(0) - scores[second].mean(0)  # by task
        replicates = drawn[first].mean(0) - drawn[second].mean(0)  # [tasks, replicates]
        means.append(difference.mean())
        totals.append(replicates.mean(0) + luck[-1])
        details.append(
            {task: interval(*own) for task, *own in zip(tasks, difference, replicates + luck[:-1], strict=True)}
        )
    chances = corrected(np.array(means), np.stack(totals))
    found = zip(pairs, map(interval, means, totals), chances, details, strict=True)
    return [
        Comparison(**vars(pair), **whole._asdict(), p=float(p), by_task=by_task) for pair, whole, p, by_task in found
    ]
