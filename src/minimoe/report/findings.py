"""State what the results show in sentences, with their uncertainty.

A difference that the test of all comparisons does not find is reported as not told apart from noise; the last sentence
says what the intervals hold and what they do not.
"""

from collections import Counter
from dataclasses import dataclass

import pandas as pd

from minimoe.report.ablations import TableGroup, sections
from minimoe.report.collect import Results
from minimoe.report.comparisons import Comparison, compare
from minimoe.report.exported import exported_tables
from minimoe.report.models import is_teacher
from minimoe.report.pairs import controls, pairs
from minimoe.report.questions import PROJECTED
from minimoe.report.rates import at_the_end, rates_section
from minimoe.report.scores import signed
from minimoe.report.seed_tables import seed_sections
from minimoe.report.untrained import compare_as_they_are, untrained_section

MAX_SENTENCES = 4  # pairs of one kind that get a sentence each; more are summed up in one
OF_PROJECTIONS = (
    "The extra projection: as published, students with experts and once-for-all ones learn through a projection of "
    "their output, and dense ones through their last layer's own, the rest of which then learns nothing. Pairs whose "
    "question names it differ in both; with distill.extra_projection: always, dense students have it too."
)


@dataclass(frozen=True)
class Findings:
    """Sentences for the reader, the comparisons behind them, and the small tables."""

    sentences: list[str]
    comparisons: list[Comparison]
    as_they_are: list[Comparison]  # the same pairs without finetuning
    sections: list[TableGroup]


def find(results: Results) -> Findings:
    """Everything that the table's models allow to say; what has no counterpart in the table is left out."""
    asked = [*controls(results), *pairs(results)]
    comparisons, as_they_are = compare(results, asked), compare_as_they_are(results, asked)
    told = [_teacher(results, name) for name in results.models if is_teacher(name)]
    told += [*_at_majority(results), *at_the_end(results)]
    subjects: dict[str, list[Comparison]] = {}
    for comparison in comparisons:
        subjects.setdefault(comparison.subject, []).append(comparison)
    for subject, of_it in subjects.items():
        told += _told(of_it, subject)
    if any(pair.question.endswith(PROJECTED) for pair in comparisons):
        told.append(OF_PROJECTIONS)
    if comparisons:
        told.append(_of_intervals(results, len(comparisons)))
    tables = [*sections(results, comparisons), *seed_sections(results, comparisons)]
    tables += [*untrained_section(results, as_they_are), *rates_section(results), *exported_tables(results)]
    return Findings(told, comparisons, as_they_are, tables)


def _teacher(results: Results, name: str) -> str:
    """A teacher against the majority label: whether there is anything to distill."""
    scores = results.finetuned[results.finetuned.model == name].set_index("task")["mean"]
    margins = (scores - pd.Series(results.majority)[scores.index]).sort_values()
    names = {column.key: column.name for column in results.columns}
    not_above = [names[key] for key in margins.index[margins <= 0]]
    smallest = f"the smallest margin is {margins.iloc[0]:.1f} ({names[margins.index[0]]})"
    rest = f"not above it: {', '.join(not_above)}" if not_above else smallest
    return (
        f"{name.capitalize()}: above the majority label in {(margins > 0).sum()} of {len(margins)} columns, by "
        f"{margins.mean():.1f} points on average; {rest}."
    )


def _of_intervals(results: Results, count: int) -> str:
    """What intervals and p values hold, and what not."""
    seeds = {0: "examples", 1: "examples; of finetuning there is one seed, whose luck is not in them"}.get(
        len(results.seeds), "examples and other seeds of finetuning"
    )
    held = (
        f"Intervals: over other {seeds}, for each pair by itself; p values are corrected for all {count} comparisons. "
    )
    if results.several:
        fewest = min(len(group.members) for group in results.several)
        return held + (
            f"Where students have several seeds of distillation ({fewest} or more), intervals are over others of "
            "them too; pairs of students distilled once do not hold that luck, and no interval what other tasks would "
            "show. A difference of held-out loss has an interval by seed alone."
        )
    return held + (
        "Every model was distilled once, so the luck of one distillation is not in them, nor what other tasks would "
        "show; a difference of held-out loss has no interval at all."
    )


def _at_majority(results: Results) -> list[str]:
    """The columns on which students are not above the majority label, where all scores that are equal say nothing."""
    students = [model.name for model in results.models.values() if model.steps]
    scores = results.finetuned[results.finetuned.model.isin(students)]
    below = [row.task for row in scores.itertuples() if row.mean <= results.majority[row.task]]
    names = {column.key: column.name for column in results.columns}
    if not below:
        return []
    parts = [f"{'all' if count == len(students) else count} on {names[task]}" for task, count in Counter(below).items()]
    return [f"Not above the majority label, of {len(students)} distilled students: {', '.join(parts)}."]


def _told(comparisons: list[Comparison], subject: str) -> list[str]:
    """Comparisons of one kind as sentences; as one, when they are many."""
    if len(comparisons) > MAX_SENTENCES:
        return [_summary(comparisons, subject)]
    return [f"{subject}: {_sentence(comparison)}" for comparison in comparisons]


def _sentence(comparison: Comparison) -> str:
    price = ""
    if max(abs(comparison.macs - 1), abs(comparison.parameters - 1)) > 1e-9:
        price = (
            f" ({comparison.macs:.2f} × the multiply-adds, {comparison.parameters:.1f} × the parameters, "
            f"{_latency(comparison)})"
        )
    sure = comparison.verdict in ("higher", "lower")
    verdict = f"scores {comparison.verdict} than" if sure else "against"
    doubt = "" if sure else f"; {comparison.verdict}"
    loss = f". Held-out loss {comparison.heldout_evidence}" if comparison.heldout else ""
    return f"{comparison.first} {verdict} {comparison.second}{price}: {comparison.evidence}{doubt}{loss}."


def _latency(comparison: Comparison) -> str:
    """The latency's ratio at every batch size."""
    ratios = [f"{ratio:.1f} × at batch {batch}" for batch, ratio in comparison.latency.items()]
    return f"measured latency {' and '.join(ratios)}"


def _summary(comparisons: list[Comparison], subject: str) -> str:
    verdicts = pd.Series([c.verdict for c in comparisons]).value_counts()
    parts = [f"{count} {verdict}" for verdict, count in verdicts.items()]
    losses = [c.heldout for c in comparisons if c.heldout]
    loss = f"; held-out loss lower in {sum(a < b for a, b in losses)} of {len(losses)}" if losses else ""
    mean = sum(c.mean for c in comparisons) / len(comparisons)
    return f"{subject}: of {len(comparisons)} pairs {', '.join(parts)}; {signed(mean)} points on average{loss}."
