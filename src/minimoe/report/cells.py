"""The page's results table: its columns and the cells of every row."""

from dataclasses import dataclass

import pandas as pd

from minimoe.report.collect import Results
from minimoe.report.columns import Column
from minimoe.report.models import is_teacher
from minimoe.report.scores import big, headline, headline_majority, loss, score

METRICS = {
    "f1": "F1", "macro_f1": "macro F1", "micro_f1": "micro F1", "chunk_f1": "F1", "tag_accuracy": "accuracy",
    "matthews": "Matthews", "spearman": "Spearman", "pearson": "Pearson",
}  # fmt: skip


@dataclass(frozen=True)
class Cell:
    """A table cell: its text, a small second line, the length of its bar in percent, the value to sort by."""

    text: str
    note: str = ""
    bar: float | None = None
    value: float | None = None
    best: bool = False


def column_groups(columns: list[Column]) -> list[tuple[str, list[Column]]]:
    """Columns under their group's heading."""
    groups: dict[str, list[Column]] = {}
    for column in columns:
        groups.setdefault(column.group, []).append(column)
    return list(groups.items())


def metric_names(results: Results) -> dict[str, str]:
    """Each column's metric, as written in a header."""
    names = results.scores.drop_duplicates("task").set_index("task")["metric"]
    return {key: METRICS.get(name, name) for key, name in names.items()}


def majority_cells(results: Results) -> list[Cell]:
    """The cells of always answering the majority label."""
    return [Cell(score(value), value=value) for value in (headline_majority(results), *results.majority.values())]


def score_cells(results: Results) -> dict[str, list[Cell]]:
    """Each model's cells: headline, then the columns. A bar runs from the majority's score to the column's best."""
    tables = [(headline(results)[1].assign(runs=2), headline_majority(results))]
    for key, floor in results.majority.items():
        tables.append((results.scores[results.scores.task == key].set_index("model"), floor))
    cells: dict[str, list[Cell]] = {name: [] for name in results.models}
    for table, floor in tables:
        students = table["mean"][[name for name in table.index if not is_teacher(name)]]
        best = students.max()
        best = best if floor is not None and best > floor else None  # the majority's answer is nobody's merit
        for name in results.models:
            cells[name].append(_score_cell(table.loc[name], floor, table["mean"].max(), not is_teacher(name), best))
    return cells


def _score_cell(row: pd.Series, floor: float | None, top: float, student: bool, best: float | None) -> Cell:
    if pd.isna(row["mean"]):
        return Cell("")
    _, _, deviation = score(row["mean"], row["std"], row["runs"]).partition(" ")
    bar = 100 * max(0.0, row["mean"] - floor) / (top - floor) if top > floor else 0.0
    return Cell(f"{row['mean']:.1f}", deviation, bar, row["mean"], best=student and row["mean"] == best)


def cost_groups(results: Results) -> list[tuple[str, list[tuple[str, str]]]]:
    """(name, unit) of the columns after the scores, under their group's heading."""
    length = results.costs.columns[0].removeprefix("macs_")
    batches = [name.removeprefix("latency_ms_b") for name in results.costs.columns[3:]]
    return [
        ("held-out", [("loss", "per teacher")]),
        ("compute", [("mult-adds", f"{length} tokens")]),
        ("parameters", [("total", ""), ("active", "")]),
        ("latency", [("ms", f"batch {batch}") for batch in batches]),
    ]


def cost_cells(results: Results) -> dict[str, list[Cell]]:
    """Each model's cells after the scores. A bar is the share of the column's largest number."""
    cells = {}
    largest = results.costs.max()
    for name, model in results.models.items():
        costs = results.costs.loc[name]
        shares = 100 * costs / largest
        heldout = Cell(loss(model.heldout_loss), value=model.heldout_loss)
        counts = [Cell(big(costs[n]), bar=shares[n], value=costs[n]) for n in costs.index[:3]]
        times = [Cell(f"{costs[n]:.1f}", bar=shares[n], value=costs[n]) for n in costs.index[3:]]
        cells[name] = [heldout, *counts, *times]
    return cells
