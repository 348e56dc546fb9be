"""Find pairs of models that differ in one thing, for each question and for each setting.

Students that differ by their seed alone are one side of a pair, and never its two: a seed is no method.

The later row of the table is compared with the earlier one, unless the question says which is which. Held-out losses
go with a pair only where they measure the same: one teacher and one objective.
"""

from collections.abc import Iterable, Sequence
from itertools import combinations, groupby
from operator import itemgetter

from minimoe.report.collect import Results
from minimoe.report.comparisons import Pair, compare
from minimoe.report.models import Model
from minimoe.report.questions import MOST, PROJECTED, QUESTIONS, Question
from minimoe.report.seeds import SeedGroup, apart, heldout_by_seed

LATENCY = "latency_ms_b"  # what a column of latencies begins with, before the batch size
NEAR = 0.75  # least ratio of two students' multiply-adds where a question lets their sizes differ
NOT_SETTINGS = {"taught_by", "task_teacher", "once_for_all", "size", "experts", "form", "start", "then"}


def pairs(results: Results) -> list[Pair]:
    """Every pair that answers one of `QUESTIONS`, then every pair that differs in one setting."""
    students = [group for group in results.groups if group.first.steps]
    close = [(students[one], students[other], one > other, found) for one, other, found in _close(students)]
    chosen = []
    for question in QUESTIONS:
        asking = [(one, other) for one, other, _, found in close if question.fits(one.first, other.first, found)]
        for first, second in _nearest(results, asking) if question.nearest else asking:
            chosen.append(_pair(results, *_asked(question, first.first, second.first), first, second))
    for first, second, later, found in close:
        if later and len(found) == 1 and not found & NOT_SETTINGS:
            name = _setting(first.first, second.first, *found)
            chosen.append(_pair(results, name, name[0].upper() + name[1:], first, second))
    return chosen


def _close(students: list[SeedGroup]) -> list[tuple[int, int, set[str]]]:
    """The pairs, either way round, that differ in no more than a question is about; by their places, and in what."""
    found = [
        (one, other, differing)
        for (one, first), (other, second) in combinations(enumerate(students), 2)
        if len(differing := apart(first, second)) <= MOST
    ]
    return sorted([*found, *((other, one, differing) for one, other, differing in found)], key=itemgetter(0, 1))


def _nearest(results: Results, asking: list[tuple[SeedGroup, SeedGroup]]) -> Iterable[tuple[SeedGroup, SeedGroup]]:
    """Of each first's pairs the one nearest in multiply-adds, if it is near enough.

    Of equally near ones, that whose two students both have the extra projection, or both lack it.
    """
    macs = {name: costs.iloc[0] for name, costs in results.costs_by_model.items()}

    def near(pair: tuple[SeedGroup, SeedGroup]) -> float:
        one, other = (macs[side.first.name] for side in pair)
        return min(one, other) / max(one, other)

    for _, own in groupby(asking, key=lambda pair: pair[0].name):
        best = max(own, key=lambda pair: (near(pair), pair[0].first.projected == pair[1].first.projected))
        if near(best) >= NEAR:
            yield best


def _asked(question: Question, first: Model, second: Model) -> tuple[str, str]:
    """The question's name and subject; both name the extra projection where it comes with what is asked."""
    if first.projected and not second.projected:
        return question.name + PROJECTED, question.subject + ", and with them an extra projection"
    return question.name, question.subject


def controls(results: Results) -> list[Pair]:
    """The mean of the distilled students of a control's size, against the control."""
    found = []
    alike = [model for model in results.models.values() if not model.task_teacher]
    for control in (group for group in results.groups if _is_control(group.first)):
        size = control.first.shape.size
        students = [model.name for model in alike if model.steps and model.shape.size == size]
        if students:
            name = f"mean of {len(students)} distilled {size}" if students[1:] else students[0]
            about = {"question": "distilled or not", "subject": "Distillation", "first": name, "second": control.name}
            found.append(Pair(firsts=tuple(students), seconds=control.names, **about))
    return found


def _is_control(model: Model) -> bool:
    return model.family == "No distillation" and not model.task_teacher


def not_told_apart(results: Results, group: SeedGroup, others: Sequence[SeedGroup]) -> list[str]:
    """Those of `others`, by name, whose difference from `group` over the tasks may be noise."""
    found = compare(
        results,
        [Pair(first=group.name, second=one.name, firsts=group.names, seconds=one.names) for one in others],
    )
    return [one.second for one in found if one.verdict not in ("higher", "lower")]


def _setting(first: Model, second: Model, key: str) -> str:
    """A setting and its two values, in words."""
    then, _, name = key.rpartition(".")
    one, other = (getattr(model.phases[1 if then else 0], name) for model in (first, second))
    return f"{'then ' * bool(then)}{name.replace('_', ' ')} {one} or {other}"


def _pair(results: Results, question: str, subject: str, first: SeedGroup, second: SeedGroup) -> Pair:
    one, other = first.first, second.first
    costs = results.costs_by_model[one.name] / results.costs_by_model[other.name]
    same = one.yardstick == other.yardstick
    seeds, by_seed = heldout_by_seed(first, second) if same else (0, None)
    return Pair(
        question=question,
        subject=subject,
        first=first.name,
        second=second.name,
        firsts=first.names,
        seconds=second.names,
        heldout=(first.heldout_loss, second.heldout_loss) if same else None,
        heldout_by_seed=by_seed,
        seeds=seeds,
        macs=costs.iloc[0],
        parameters=costs["params_total"],
        latency={name.removeprefix(LATENCY): costs[name] for name in costs.index if name.startswith(LATENCY)},
    )
