"""`Results` → tables: the two CSV files, Markdown, and the compact form for a terminal."""

import pandas as pd
from tabulate import tabulate

from minimoe.report.collect import Results
from minimoe.report.columns import GLUE
from minimoe.report.findings import Findings
from minimoe.report.published import CLAIM, LINK, PAPER, PUBLISHED

MAJORITY = "majority label"


def models_table(results: Results) -> pd.DataFrame:
    """models.csv: model, round, heldout_loss (both empty for the teacher), the numbers of the cost stage."""
    rows = [(m.name, m.round or None, m.heldout_loss) for m in results.models.values()]
    table = pd.DataFrame(rows, columns=["model", "round", "heldout_loss"])
    return table.join(results.costs, on="model")


def glue_scores(results: Results) -> pd.DataFrame:
    """GLUE score of each model (index): `mean` of the eight and its `std`; empty unless all eight are there.

    The eight are finetuned independently, so the deviation of their mean is sqrt(sum of squares) / 8; it is
    known only where every one of them has more than one run.
    """
    eight = results.scores[results.scores.task.isin(GLUE)]
    if set(eight.task) != set(GLUE):
        return pd.DataFrame({"mean": float("nan"), "std": float("nan")}, index=list(results.models))
    groups = eight.groupby("model", sort=False)
    std = groups["std"].agg(lambda values: (values**2).sum() ** 0.5 / len(GLUE))
    return pd.DataFrame({"mean": groups["mean"].mean(), "std": std.where(groups["runs"].min() > 1)})


def majority_glue(results: Results) -> float | None:
    """GLUE score of always answering the majority label; None unless all eight tasks are there."""
    if not set(GLUE) <= set(results.majority):
        return None
    return sum(results.majority[key] for key in GLUE) / len(GLUE)


def score_rows(results: Results) -> list[list[str]]:
    """One row a model, after one for the majority label: name, GLUE score, a score for each column."""
    glue = glue_scores(results)
    cells = {(row.model, row.task): score(row.mean, row.std, row.runs) for row in results.scores.itertuples()}
    keys = [column.key for column in results.columns]
    reference = [MAJORITY, score(majority_glue(results)), *(score(results.majority[key]) for key in keys)]
    rows = [
        [name, score(glue["mean"][name], glue["std"][name]), *(cells[name, key] for key in keys)]
        for name in results.models
    ]
    return [reference, *rows]


def cost_rows(results: Results) -> list[list[str]]:
    """One row a model: name, held-out loss, multiply-adds, total and active parameters, latencies."""
    return [
        [
            row.model,
            "" if pd.isna(row.heldout_loss) else f"{row.heldout_loss:.4f}",
            *(big(value) for value in row[4:7]),
            *(f"{value:.1f}" for value in row[7:]),
        ]
        for row in models_table(results).itertuples()
    ]


def cost_headers(results: Results) -> list[str]:
    """Headers for `cost_rows`."""
    macs = results.costs.columns[0]
    latencies = [name.removeprefix("latency_ms_b") for name in results.costs.columns[3:]]
    return [
        "model", "held-out loss", f"multiply-adds, {macs.removeprefix('macs_')} tokens",
        "parameters", "active", *(f"ms, batch {batch}" for batch in latencies),
    ]  # fmt: skip


def markdown(results: Results, findings: Findings) -> str:
    """results.md: what it shows, both tables, published numbers."""
    headers = ["model", "GLUE", *(column.name for column in results.columns)]
    costs = cost_headers(results)
    published = [[p.system, p.glue, big(p.macs) if p.macs else "", f"[{p.source}]({p.link})"] for p in PUBLISHED]
    parts = [
        "# Results",
        "## What it shows",
        "\n".join(f"- {sentence}" for sentence in findings.sentences),
        "## Scores",
        "0-100, on dev sets, for CoNLL-2003 on its test set too. GLUE is the mean of its eight scores and empty "
        "unless all eight are there; "
        "± is the standard deviation over seeds.",
        _table(score_rows(results), headers, "github"),
        "## Cost",
        "Held-out loss: on records kept out of training; compare it among students of one round only. "
        "Multiply-adds: linear layers of the encoder, one sequence.",
        _table(cost_rows(results), costs, "github"),
        "## Published, not measured here",
        tabulate(published, ["system", "GLUE", "multiply-adds", "source"], "github"),
        f"{CLAIM} [{PAPER}]({LINK})",
    ]
    return "\n\n".join(parts) + "\n"


def terminal(results: Results) -> str:
    """Both tables, compact."""
    headers = ["model", "GLUE", *(column.short for column in results.columns)]
    costs = cost_headers(results)
    costs[1:5] = ["held-out", "mult-adds", "params", "active"]
    return f"{_table(score_rows(results), headers)}\n\n{_table(cost_rows(results), costs)}"


def score(mean: float | None, std: float | None = None, runs: int | None = None) -> str:
    """`81.3`, or `81.3 ± 0.4` where there was more than one run; empty for an unknown score."""
    if mean is None or pd.isna(mean):
        return ""
    known = std is not None and not pd.isna(std) and (runs is None or runs > 1)
    return f"{mean:.1f} ± {std:.1f}" if known else f"{mean:.1f}"


def big(number: float) -> str:
    """A count with three digits and a unit: 10.9 G, 21.3 M."""
    number = float(f"{number:.3g}")
    for unit, size in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if number >= size:
            return f"{number / size:#.3g}".rstrip(".") + f" {unit}"
    return f"{number:.0f}"


def _table(rows: list[list[str]], headers: list[str], style: str = "simple") -> str:
    align = ["left"] + ["right"] * (len(headers) - 1)
    return tabulate(rows, headers, style, disable_numparse=True, colalign=align)
