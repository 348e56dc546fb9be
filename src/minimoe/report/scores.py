"""GLUE and headline scores of every model, and number formatting."""

import math
from collections.abc import Mapping, Sequence
from functools import lru_cache

import pandas as pd

from minimoe.report.collect import Results
from minimoe.report.columns import GLUE
from minimoe.tasks.table import CONLL

GLUE_SCORE = "GLUE score"


@lru_cache(maxsize=1)  # every small table asks for it, and for the headlines
def glue_scores(results: Results) -> pd.DataFrame:
    """GLUE score of each model (index): `mean` of the eight and its `std`; empty unless all eight are there.

    Tasks are finetuned independently, columns of one task (MNLI matched and mismatched) are scores of the same runs
    and counted as rising and falling together: deviations add within a task, their squares over tasks. Known only
    where every one of the eight has more than one run.
    """
    eight = results.scores[results.scores.task.isin(GLUE)]
    if set(eight.task) != set(GLUE):
        return pd.DataFrame({"mean": float("nan"), "std": float("nan")}, index=list(results.models))
    groups = eight.groupby("model", sort=False)
    tasks = eight.task.map({column.key: column.task for column in results.columns})
    by_task = eight["std"].groupby([eight.model, tasks], sort=False).sum()
    std = (by_task**2).groupby("model", sort=False).sum() ** 0.5 / len(GLUE)
    return pd.DataFrame({"mean": groups["mean"].mean(), "std": std.where(groups["runs"].min() > 1)})


def majority_glue(results: Results) -> float | None:
    """GLUE score of always answering the majority label; None unless all eight tasks are there."""
    if not set(GLUE) <= set(results.majority):
        return None
    return sum(results.majority[key] for key in GLUE) / len(GLUE)


def first_column(results: Results) -> tuple[str, int]:
    """Heading of the column that has the headline score, GLUE or mean, and of how many columns it is the mean."""
    if headline(results)[0] == GLUE_SCORE:
        return "GLUE", len(GLUE)
    return "mean", results.finetuned.task.nunique()


def headline(results: Results) -> tuple[str, pd.DataFrame]:
    """The one score a model is judged by: GLUE where all eight are there, else the mean of the columns.

    As its label, and `mean` and `std` of each model (index).
    """
    glue = glue_scores(results)
    if glue["mean"].notna().all():
        return GLUE_SCORE, glue
    judged = set(results.finetuned.task)
    names = [column.name for column in results.columns if column.key in judged]
    label = names[0] if len(names) == 1 else f"mean of {len(names)} columns"
    mean = results.finetuned.groupby("model", sort=False)["mean"].mean()
    return label, pd.DataFrame({"mean": mean, "std": float("nan")})


def headline_majority(results: Results) -> float:
    """The headline score of always answering the majority label."""
    glue, judged = majority_glue(results), set(results.finetuned.task)
    return sum(results.majority[key] for key in judged) / len(judged) if glue is None else glue


def best_at(results: Results) -> dict[str, str]:
    """By compute budget, such as `170M-macs`, the student with the highest headline score within it.

    Budgets are the multiply-adds of one sequence of those students that score higher than all that compute less.
    """
    _, table = headline(results)
    macs = {name: cost.iloc[0] for name, cost in results.costs_by_model.items()}
    students = [model.name for model in results.models.values() if model.steps and not model.task_teacher]
    found, best = {}, -math.inf
    for name in sorted(students, key=lambda name: (macs[name], -table["mean"][name])):
        if table["mean"][name] > best:
            best = table["mean"][name]
            found[f"{math.ceil(macs[name] / 1e6)}M-macs"] = name
    return found


@lru_cache(maxsize=1)
def headlines(results: Results) -> list[tuple[str, pd.DataFrame]]:
    """The headline, and CoNLL's test score where the headline is not that score alone."""
    found = [headline(results)]
    for column in results.columns:
        if column.group == CONLL and column.label == "test" and len(results.columns) > 2:
            scores = results.scores[results.scores.task == column.key].set_index("model")
            std = scores["std"].where(scores["runs"] > 1)
            found.append((f"{column.name} F1", pd.DataFrame({"mean": scores["mean"], "std": std})))
    return found


def over_members(scores: pd.DataFrame, members: Sequence[str]) -> tuple[float, float]:
    """A model's mean and deviation over seeds of finetuning; of several models, both over these."""
    own = scores.loc[list(members)]
    return own["mean"].mean(), own["mean"].std() if len(own) > 1 else own["std"].iloc[0]


def over_groups(scores: pd.DataFrame, groups: Mapping[str, Sequence[str]]) -> pd.DataFrame:
    """`over_members` of each group: `mean` and `std` by its name."""
    return pd.DataFrame({name: over_members(scores, own) for name, own in groups.items()}, index=["mean", "std"]).T


def score(mean: float | None, std: float | None = None, runs: int | None = None) -> str:
    """`81.3`, or `81.3 ± 0.4` where there was more than one run; empty for an unknown score."""
    if mean is None or pd.isna(mean):
        return ""
    known = std is not None and not pd.isna(std) and (runs is None or runs > 1)
    return f"{mean:.1f} ± {std:.1f}" if known else f"{mean:.1f}"


def signed(points: float) -> str:
    """Points with their sign, as text."""
    return f"{points:+.1f}".replace("-", "−")


def signed_loss(difference: float) -> str:
    """A difference of held-out losses with its sign, as text."""
    return f"{difference:+.4f}".replace("-", "−")


def loss(value: float | None) -> str:
    """A held-out loss; empty for a teacher, which has none."""
    return "" if value is None or pd.isna(value) else f"{value:.4f}"


def big(number: float) -> str:
    """A count with three digits and a unit: 10.9 G, 21.3 M."""
    number = float(f"{number:.3g}")
    for unit, size in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if number >= size:
            return f"{number / size:#.3g}".rstrip(".") + f" {unit}"
    return f"{number:.0f}"
