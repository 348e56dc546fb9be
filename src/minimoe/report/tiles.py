"""The numbers at the top of the page: the scores of teachers and of the highest student, what it keeps and computes."""

import numpy as np

from minimoe.report.collect import Results
from minimoe.report.models import is_teacher
from minimoe.report.pairs import not_told_apart
from minimoe.report.scores import headline, headline_majority


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
    alike = len(not_told_apart(results, best, others))
    remark = f"{best.name}; {alike} of the {len(others)} others not told apart from it" if others else best.name
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


def _kept(student: float, teacher: float, floor: float) -> str:
    """What of the teacher's margin above the majority label is left, as part of a remark."""
    return (
        f"; of what is above the majority label {100 * (student - floor) / (teacher - floor):.0f} %"
        if teacher > floor
        else ""
    )
