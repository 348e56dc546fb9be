"""Pairs of models that differ in one thing, compared over the tasks.

The unit of a comparison is a task (two columns of one task are averaged first, because they rise and fall
together). The interval is Student's 95 % interval of the mean difference over tasks. It holds the noise of
finetuning, because each task is finetuned independently; it does not hold the luck of a single distillation.
"""

from dataclasses import dataclass

import pandas as pd
from scipy import stats

from minimoe.params.rounds import Student
from minimoe.report.collect import TEACHER, Model, Results

FEWEST_TASKS = 3  # for an interval


@dataclass(frozen=True)
class Comparison:
    """`first` minus `second`, in points of score; low and high are None with fewer than three tasks."""

    question: str
    first: str
    second: str
    mean: float
    low: float | None
    high: float | None
    above: int  # tasks on which first is above second
    tasks: int
    heldout: tuple[float, float] | None = None  # held-out losses, where they are of one round
    macs: float = 1.0  # first's multiply-adds over second's
    parameters: float = 1.0  # likewise
    latency: float = 1.0  # likewise, at the last of the batch sizes

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
        side = "lower" if first < second else "higher"
        return f"{abs(first / second - 1):.1%} {side}".replace("%", " %")


def compare(scores: pd.DataFrame, others: pd.DataFrame, **about: object) -> Comparison:
    """Compare two tables of scores with columns task and mean, one row per column of the results table."""
    difference = scores.groupby("task")["mean"].mean() - others.groupby("task")["mean"].mean()
    mean, count = difference.mean(), len(difference)
    half = stats.t.ppf(0.975, count - 1) * difference.sem() if count >= FEWEST_TASKS else None
    return Comparison(
        mean=mean, low=None if half is None else mean - half, high=None if half is None else mean + half,
        above=int((difference > 0).sum()), tasks=count, **about,
    )  # fmt: skip


def controls(results: Results) -> list[Comparison]:
    """The mean of the distilled students of a control's layers and width, against the control."""
    found = []
    for control in (m for m in results.models.values() if m.kind == "No distillation"):
        size = (control.shape.layers, control.shape.hidden)
        students = [
            m.name for m in results.models.values()
            if m.steps and (m.shape.layers, m.shape.hidden) == size
        ]  # fmt: skip
        if students:
            name = f"mean of {len(students)} distilled {size[0]}L-{size[1]}H" if students[1:] else students[0]
            about = {"question": "distilled or not", "first": name, "second": control.name}
            found.append(compare(_scores(results, *students), _scores(results, control.name), **about))
    return found


def experts(results: Results) -> list[Comparison]:
    """Each mixture of experts against the dense student of its round and shape."""
    return [
        _pair(results, "experts or dense", moe, dense)
        for moe in results.models.values() if moe.kind.startswith("MiniMoE")
        for dense in results.models.values()
        if dense.round == moe.round and dense.kind.startswith("MiniLM")
        and _size(dense.shape) == _size(moe.shape)
    ]  # fmt: skip


def assistants(results: Results) -> list[Comparison]:
    """Each student of an assistant against the same shape taught by the teacher itself."""
    return [
        _pair(results, "with an assistant or without", assisted, direct)
        for assisted in results.models.values() if assisted.kind.endswith("with assistant")
        for direct in results.models.values()
        if direct.steps and direct.taught_by == TEACHER
        and _size(direct.shape) == _size(assisted.shape) and direct.shape.experts == assisted.shape.experts
    ]  # fmt: skip


def _pair(results: Results, question: str, first: Model, second: Model) -> Comparison:
    costs = results.costs.loc[first.name] / results.costs.loc[second.name]
    losses = (first.heldout_loss, second.heldout_loss) if first.round == second.round else None
    return compare(
        _scores(results, first.name),
        _scores(results, second.name),
        question=question,
        first=first.name,
        second=second.name,
        heldout=losses,
        macs=costs.iloc[0],
        parameters=costs["params_total"],
        latency=costs.iloc[-1],
    )


def _scores(results: Results, *models: str) -> pd.DataFrame:
    """Mean score of these models by column, with the column's task beside it."""
    tasks = {column.key: column.task for column in results.columns}
    rows = results.scores[results.scores.model.isin(models)]
    return rows.assign(task=rows.task.map(tasks))[["task", "mean"]]


def signed(points: float) -> str:
    """Points with their sign, as text."""
    return f"{points:+.1f}".replace("-", "−")


def _size(shape: Student) -> tuple:
    return shape.layers, shape.hidden, shape.heads, shape.neurons or 4 * shape.hidden
