"""`Results` → index.html: one self-contained page. What it looks like is page.html's business."""

from dataclasses import dataclass
from importlib import resources

import jinja2
import pandas as pd
from markupsafe import Markup

from minimoe.report import figures
from minimoe.report.collect import KINDS, TEACHER, Model, Results
from minimoe.report.columns import CONLL, SCORE, Column
from minimoe.report.drawing import slug
from minimoe.report.findings import Findings
from minimoe.report.published import CLAIM, PUBLISHED
from minimoe.report.tables import MAJORITY, big, glue_scores, majority_glue, models_table, score

METRICS = {"f1": "F1", "chunk_f1": "F1", "matthews": "Matthews", "spearman": "Spearman"}


@dataclass(frozen=True)
class Cell:
    """A table cell: its text, a small second line, the length of its bar in percent, the value to sort by."""

    text: str
    note: str = ""
    bar: float | None = None
    value: float | None = None
    best: bool = False


def page(results: Results, findings: Findings) -> str:
    """The whole page as HTML."""
    source = resources.files("minimoe.report").joinpath("page.html").read_text(encoding="utf-8")
    template = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True).from_string(source)
    return template.render(
        results=results,
        models=results.models.values(),
        kinds=[kind for kind in KINDS if any(model.kind == kind for model in results.models.values())],
        slug=slug,
        tiles=_tiles(results),
        sentences=[sentence.partition(": ")[::2] for sentence in findings.sentences],
        groups=_groups(results.columns),
        glue_group=SCORE,
        metrics=_metric_names(results),
        majority=_majority_cells(results),
        scores=_score_cells(results),
        cost_groups=_cost_groups(results),
        costs=_cost_cells(results),
        compute=_compute_figures(results, findings),
        curves=_curve_figures(results),
        differences=_differences(findings, results.models),
        experts=[model for model in results.models.values() if model.expert_load],
        published=PUBLISHED,
        claim=CLAIM,
        big=big,
        majority_name=MAJORITY,
    )


def headline(results: Results) -> tuple[str, pd.Series]:
    """The one score a model is judged by: GLUE where all eight are there, else the mean of the columns."""
    glue = glue_scores(results)["mean"]
    if glue.notna().all():
        return "GLUE score", glue
    names = [column.name for column in results.columns]
    label = names[0] if len(names) == 1 else f"mean of {len(names)} columns"
    return label, results.scores.groupby("model", sort=False)["mean"].mean()


def _tiles(results: Results) -> list[tuple[str, str, str]]:
    """(what, number, remark) for the top of the page: the teacher, and the best distilled student."""
    label, scores = headline(results)
    students = [model.name for model in results.models.values() if model.steps]
    tiles = [(f"Teacher, {label}", f"{scores[TEACHER]:.1f}", "")] if TEACHER in results.models else []
    if not students:
        return tiles
    best = scores[students].idxmax()
    tiles.append((f"Best student, {label}", f"{scores[best]:.1f}", best))
    if TEACHER in results.models:
        cost = results.costs.loc[TEACHER] / results.costs.loc[best]
        tiles.append(("It keeps", f"{100 * scores[best] / scores[TEACHER]:.0f} %", f"of the teacher's {label}"))
        tiles.append(("It computes", f"{cost.iloc[0]:.1f} × less", "multiply-adds of one sequence"))
    return tiles


def _groups(columns: list[Column]) -> list[tuple[str, list[Column]]]:
    """Columns under their group's heading."""
    groups: dict[str, list[Column]] = {}
    for column in columns:
        groups.setdefault(column.group, []).append(column)
    return list(groups.items())


def _metric_names(results: Results) -> dict[str, str]:
    """Each column's metric, as written in a header."""
    names = results.scores.drop_duplicates("task").set_index("task")["metric"]
    return {key: METRICS.get(name, name) for key, name in names.items()}


def _majority_cells(results: Results) -> list[Cell]:
    glue = majority_glue(results)
    return [Cell(score(value), value=value) for value in (glue, *results.majority.values())]


def _score_cells(results: Results) -> dict[str, list[Cell]]:
    """Each model's cells: GLUE score, then the columns. A bar runs from the majority's score to the best."""
    glue = glue_scores(results).assign(runs=2)
    tables = [(glue, majority_glue(results))]
    for key, floor in results.majority.items():
        tables.append((results.scores[results.scores.task == key].set_index("model"), floor))
    cells: dict[str, list[Cell]] = {name: [] for name in results.models}
    for table, floor in tables:
        students = table["mean"].drop(TEACHER, errors="ignore")
        best = None if students.isna().all() else students.max()
        for name in results.models:
            cells[name].append(_score_cell(table.loc[name], floor, table["mean"].max(), name != TEACHER, best))
    return cells


def _score_cell(row: pd.Series, floor: float | None, top: float, student: bool, best: float | None) -> Cell:
    if pd.isna(row["mean"]):
        return Cell("")
    _, _, deviation = score(row["mean"], row["std"], row["runs"]).partition(" ")
    bar = 100 * max(0.0, row["mean"] - floor) / (top - floor) if top > floor else 0.0
    return Cell(f"{row['mean']:.1f}", deviation, bar, row["mean"], best=student and row["mean"] == best)


def _cost_groups(results: Results) -> list[tuple[str, list[tuple[str, str]]]]:
    """(name, unit) of the columns after the scores, under their group's heading."""
    length = results.costs.columns[0].removeprefix("macs_")
    batches = [name.removeprefix("latency_ms_b") for name in results.costs.columns[3:]]
    return [
        ("held-out", [("loss", "per round")]),
        ("compute", [("mult-adds", f"{length} tokens")]),
        ("parameters", [("total", ""), ("active", "")]),
        ("latency", [("ms", f"batch {batch}") for batch in batches]),
    ]


def _cost_cells(results: Results) -> dict[str, list[Cell]]:
    """Each model's cells after the scores. A bar is the share of the column's largest number."""
    cells = {}
    largest = results.costs.max()
    for row in models_table(results).itertuples():
        costs = results.costs.loc[row.model]
        shares = 100 * costs / largest
        loss = Cell("") if pd.isna(row.heldout_loss) else Cell(f"{row.heldout_loss:.4f}", value=row.heldout_loss)
        counts = [Cell(big(costs[n]), bar=shares[n], value=costs[n]) for n in costs.index[:3]]
        times = [Cell(f"{costs[n]:.1f}", bar=shares[n], value=costs[n]) for n in costs.index[3:]]
        cells[row.model] = [loss, *counts, *times]
    return cells


def _compute_figures(results: Results, findings: Findings) -> list[tuple[str, Markup]]:
    """(label, figure) for the headline score, and for CoNLL where the headline is GLUE."""
    pairs = [pair for pair in findings.comparisons if pair.question == "experts or dense"]
    shown = [headline(results)]
    for column in results.columns:
        if column.group == CONLL and column.label == "test" and len(results.columns) > 2:
            scores = results.scores[results.scores.task == column.key].set_index("model")["mean"]
            shown.append((f"{column.name} F1", scores))
    return [(label, Markup(figures.compute_figure(results, scores, label, pairs))) for label, scores in shown]


def _curve_figures(results: Results) -> list[tuple[str, str, Markup]]:
    """(round, its teacher, figure) for each round that trained."""
    teachers = {model.round: model.taught_by for model in results.models.values() if model.round}
    drawn = [(name, teacher, figures.curves_figure(results, name)) for name, teacher in teachers.items()]
    return [(name, teacher, Markup(svg)) for name, teacher, svg in drawn if svg]


def _differences(findings: Findings, models: dict[str, Model]) -> list[tuple[str, Markup]]:
    """(question, figure) for each kind of comparison; a mean of several students has no kind of its own."""
    questions = dict.fromkeys(pair.question for pair in findings.comparisons)
    figures_ = []
    for question in questions:
        pairs = [pair for pair in findings.comparisons if pair.question == question]
        kinds = [models[pair.first].kind if pair.first in models else "ink" for pair in pairs]
        figures_.append((question, Markup(figures.differences_figure(pairs, kinds, question))))
    return figures_
