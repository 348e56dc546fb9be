"""The numbers at the top of the page: the scores of teachers and of the highest student, what it keeps and computes."""

from collections.abc import Sequence

import numpy as np

from minimoe.report.collect import Results
from minimoe.report.models import is_teacher
from minimoe.report.pairs import not_told_apart
from minimoe.report.scores import headline, headline_majority
from minimoe.report.seeds import SeedGroup


def tiles(results: Results) -> list[tuple[str, str, str]]:
    """(what, number, remark): each teacher, and the highest of the distilled students.

    Students that differ by their seed alone are one, by the mean over them.
    """
    label, table = headline(results)
    scores = table["mean"]
    shown = [
        (f"{name.capitalize()}, {label}", f"{scores[name]:.1f}", "") for name in results.models if is_teacher(name)
    ]
    students = [group for group in results.groups if group.first.steps]
    if not students:
        return shown
    means = [scores[list(group.names)].mean() for group in students]
    place = int(np.argmax(means))
    best, others, mean = students[place], students[:place] + students[place + 1 :], means[place]
    remark = f"{best.name}; {_apart(results, best, others)}" if others else best.name
    shown.append((f"Highest student, {label}", f"{mean:.1f}", remark))
    teacher = best.first.origin
    if teacher not in results.models:
        return shown
    if scores[teacher] > 0:  # a correlation may be 0 or below
        kept = _kept(mean, scores[teacher], headline_majority(results))
        shown.append(("It keeps", f"{100 * mean / scores[teacher]:.0f} %", f"of its {teacher}'s {label}{kept}"))
    cost = results.costs.loc[teacher] / results.costs.loc[best.names[0]]
    shown.append(("It computes", f"{cost.iloc[0]:.1f} × less", "multiply-adds of one sequence"))
    return shown


def _apart(results: Results, best: SeedGroup, others: Sequence[SeedGroup]) -> str:
    """From how many of the others the highest student is told apart, as part of a remark."""
    alike, count = len(not_told_apart(results, best, others)), len(others)
    if count == 1:
        return f"{'not ' * alike}told apart from {others[0].name}"
    if not alike:
        return f"told apart from all {count} others"
    return f"not told apart from {alike if alike < count else 'any'} of the {count} others"


def _kept(student: float, teacher: float, floor: float) -> str:
    """What of the teacher's margin above the majority label is left, as part of a remark."""
    return (
        f"; of what is above the majority label {100 * (student - floor) / (teacher - floor):.0f} %"
        if teacher > floor
        else ""
    )
