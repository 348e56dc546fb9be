"""Find pairs of models that differ in one thing, and the question that each pair answers.

Students that differ by their seed alone are one side of a pair, and never its two: a seed is no method.

The later row of the table is compared with the earlier one, unless the question says which is which. Held-out losses
go with a pair only where they measure the same: one teacher and one objective.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations
from operator import itemgetter

from minimoe.report.collect import Results
from minimoe.report.comparisons import Pair, compare
from minimoe.report.models import FURTHER, TEACHER, Model
from minimoe.report.seeds import SeedGroup, apart, heldout_by_seed

PUBLISHED = {"relation_dropout", "log_epsilon", "balance_padding"}  # the published loss differs from ours in these
PUBLISHED_FORM = (1, 0, "learned")  # each token goes to one expert, beside no shared neurons, by a learned router
EXPERTS = "experts or dense"
PROJECTED = ", with the extra projection or without"  # how a question ends whose first model alone has it
CURSE = ("another teacher, dense student", "another teacher, student with experts")
LATENCY = "latency_ms_b"  # what a column of latencies begins with, before the batch size
MOST = len(PUBLISHED)  # things that two students of a question differ in
NOT_SETTINGS = {"taught_by", "task_teacher", "once_for_all", "size", "experts", "form", "start", "then"}


@dataclass(frozen=True)
class Question:
    """One thing that two students can differ in."""

    name: str
    subject: str
    fits: Callable[[Model, Model, set[str]], bool]  # whether first against second, with their differences, asks it


def _dense(model: Model) -> bool:
    return model.shape == model.shape.dense


def _further(first: Model, second: Model, found: set[str]) -> bool:
    return found == {"taught_by"} and first.taught_by.startswith(f"{FURTHER}/") and second.taught_by == TEACHER


QUESTIONS = (
    Question(
        EXPERTS, "Experts at equal compute",
        lambda first, second, found: found == {"experts"} and _dense(second),
    ),
    Question(
        "shared neurons or finer experts, or the published form", "Shared neurons or finer experts",
        lambda first, second, found: (
            "form" in found and found <= {"form", "experts"} and second.form == PUBLISHED_FORM
            and first.experts[0] == second.experts[0] and first.form[2] == second.form[2]
        ),
    ),
    Question(
        "experts by hash or by a router", "Experts chosen by a hash of the token",
        lambda first, second, found: (
            found == {"form"} and first.form[:2] == second.form[:2] and second.form[2] == PUBLISHED_FORM[2]
        ),
    ),
    Question(
        "with an assistant or without", "A teacher assistant",
        lambda first, second, found: (
            found == {"taught_by"} and first.assisted and second.taught_by == first.origin
        ),
    ),
    Question(
        CURSE[0], "Another teacher, dense student",
        lambda first, second, found: _further(first, second, found) and _dense(first),
    ),
    Question(
        CURSE[1], "Another teacher, student with experts",
        lambda first, second, found: _further(first, second, found) and not _dense(first),
    ),
    Question(
        "once for all or alone", "Shared weights, once for all",
        lambda first, second, found: found == {"once_for_all"} and second.once_for_all is None,
    ),
    Question(
        "from the teacher's layers or random", "Starting from the teacher's layers",
        lambda first, second, found: found == {"start"} and second.shape.start == "random",
    ),
    Question(
        "a second phase or not", "A second phase",
        lambda first, second, found: found == {"then"} and len(second.phases) == 1,
    ),
    Question(
        "taught the task or not", "A teacher of the task as well",
        lambda first, second, found: found == {"task_teacher"} and not second.task_teacher,
    ),
    Question(
        "published loss or exact", "The published form of the loss",
        lambda first, second, found: (
            found <= PUBLISHED and len(found) > 1 and first.settings.relation_dropout > second.settings.relation_dropout
        ),
    ),
)  # fmt: skip


def pairs(results: Results) -> list[Pair]:
    """Every pair that answers one of `QUESTIONS`, then every pair that differs in one setting."""
    students = [group for group in results.groups if group.first.steps]
    close = [(students[one], students[other], one > other, found) for one, other, found in _close(students)]
    chosen = [
        _pair(results, *_asked(question, first.first, second.first), first, second)
        for question in QUESTIONS for first, second, _, found in close
        if question.fits(first.first, second.first, found)
    ]  # fmt: skip
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
