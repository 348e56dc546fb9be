"""The questions that a pair of the table's models can answer, each about one thing in which two students differ."""

from collections.abc import Callable
from dataclasses import dataclass

from minimoe.report.models import FURTHER, TEACHER, Model

PUBLISHED = {"relation_dropout", "log_epsilon", "balance_padding"}  # the published loss differs from ours in these
PUBLISHED_FORM = (1, 0, "learned")  # each token goes to one expert, beside no shared neurons, by a learned router
EXPERTS = "experts or dense"
CUT = "parts of the teacher or a new student"
PROJECTED = ", with the extra projection or without"  # how a question ends whose first model alone has it
CURSE = ("another teacher, dense student", "another teacher, student with experts")
MOST = len(PUBLISHED)  # things that two students of a question differ in


@dataclass(frozen=True)
class Question:
    """One thing that two students can differ in."""

    name: str
    subject: str
    fits: Callable[[Model, Model, set[str]], bool]  # whether first against second, with their differences, asks it
    nearest: bool = False  # whether, of several seconds, it is about the one of about the same multiply-adds alone


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
        CUT, "Parts of the teacher in place of a new student",
        lambda first, second, found: (
            found == {"size"} and first.shape.sparsity is not None and second.shape.sparsity is None
        ),
        nearest=True,
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
