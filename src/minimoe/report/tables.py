"""Render results as tables: models.csv, Markdown, and a compact form for the terminal."""

from collections.abc import Sequence

import pandas as pd
from tabulate import tabulate

from minimoe.report.ablations import TableGroup
from minimoe.report.collect import Results
from minimoe.report.comparisons import Comparison
from minimoe.report.findings import Findings
from minimoe.report.published import CLAIM, LINK, PAPER, PUBLISHED
from minimoe.report.scores import big, first_column, headline, headline_majority, loss, score

MAJORITY = "majority label"


def models_table(results: Results) -> pd.DataFrame:
    """models.csv: what each model is (empty for a teacher: all but its name and kind), its held-out loss and costs."""
    rows = [
        {
            "model": model.name,
            "kind": model.kind,
            "round": model.round or None,
            "taught_by": model.taught_by or None,
            "shape": str(model.shape) if model.shape else None,
            "heldout_loss": model.heldout_loss,
        }
        for model in results.models.values()
    ]
    return pd.DataFrame(rows).join(results.costs, on="model")


def differences_table(comparisons: Sequence[Comparison], as_they_are: Sequence[Comparison] = ()) -> pd.DataFrame:
    """differences.csv: each comparison over all tasks, with its corrected p value and verdict, then by task.

    Of students with several seeds also that of the held-out loss, which is no points. Then the comparisons
    `as_they_are`, whose task is "without finetuning".
    """
    names = ["question", "first", "second", "task", "points", "low", "high", "p", "verdict"]
    rows = []
    for one in comparisons:
        pair = (one.question, one.first, one.second)
        rows.append((*pair, "all", one.mean, one.low, one.high, one.p, one.verdict))
        rows += [(*pair, task, *own, None, None) for task, own in one.by_task.items()]
        if one.heldout_by_seed:
            rows.append((*pair, "held-out loss", *one.heldout_by_seed, None, None))
    rows += [
        (one.question, one.first, one.second, "without finetuning", one.mean, one.low, one.high, one.p, one.verdict)
        for one in as_they_are
    ]
    return pd.DataFrame(rows, columns=names).round(4)


def score_rows(results: Results) -> list[list[str]]:
    """One row a model, after one for the majority label: name, headline score, a score for each column."""
    _, whole = headline(results)
    cells = {(row.model, row.task): score(row.mean, row.std, row.runs) for row in results.scores.itertuples()}
    keys = [column.key for column in results.columns]
    reference = [MAJORITY, score(headline_majority(results)), *(score(results.majority[key]) for key in keys)]
    rows = [
        [name, score(whole["mean"][name], whole["std"][name]), *(cells[name, key] for key in keys)]
        for name in results.models
    ]
    return [reference, *rows]


def about_first(results: Results) -> str:
    """What the first column of scores is."""
    if first_column(results)[0] == "GLUE":
        return (
            "GLUE is the mean of its eight scores; its deviation follows from those of the tasks, MNLI's two columns "
            "being scores of the same runs."
        )
    if not results.seeds:
        return "The mean is that of all columns."
    return "The mean is that of the finetuned columns; where GLUE's eight are there, their score is in its place."


def about_untrained(results: Results) -> str:
    """What the columns of tasks without finetuning are; empty where there are none."""
    if not results.untrained:
        return ""
    verb, them = ("are", "them") if results.untrained[1:] else ("is", "it")
    names = " and ".join(filter(None, [", ".join(results.untrained[:-1]), results.untrained[-1]]))
    apart = f"; they are compared by {them} in a table of its own" if results.seeds else ""
    return (
        f"{names} {verb} of the models as they are, without finetuning: the correlation of the cosines of their "
        f"sentence embeddings with people's scores{apart}."
    )


def _about_scores(results: Results) -> str:
    """What stands above the scores in Markdown."""
    about = ["0-100, on dev sets, for CoNLL-2003 on its test set too.", about_first(results)]
    if results.seeds:
        about.append(
            "± is the standard deviation over seeds. Dev scores chose the epoch of every run and the learning rate of "
            "every model and task; MNLI-mm and CoNLL-2003's test set chose nothing."
        )
    return " ".join(filter(None, [*about, about_untrained(results)]))


def cost_rows(results: Results) -> list[list[str]]:
    """One row a model: name, held-out loss, multiply-adds, total and active parameters, latencies."""
    rows = []
    for name, model in results.models.items():
        counts, latencies = results.costs.loc[name].iloc[:3], results.costs.loc[name].iloc[3:]
        rows.append([name, loss(model.heldout_loss), *map(big, counts), *(f"{value:.1f}" for value in latencies)])
    return rows


def cost_headers(results: Results) -> list[str]:
    """Headers for `cost_rows`."""
    macs = results.costs.columns[0]
    latencies = [name.removeprefix("latency_ms_b") for name in results.costs.columns[3:]]
    return [
        "model", "held-out loss", f"multiply-adds, {macs.removeprefix('macs_')} tokens",
        "parameters", "active", *(f"ms, batch {batch}" for batch in latencies),
    ]  # fmt: skip


def markdown(results: Results, findings: Findings) -> str:
    """results.md: what it shows, all tables, published numbers."""
    headers = ["model", "kind", first_column(results)[0], *(column.name for column in results.columns)]
    kinds = {name: model.kind for name, model in results.models.items()}
    scores = [[row[0], kinds.get(row[0], ""), *row[1:]] for row in score_rows(results)]
    published = [[p.system, p.glue, big(p.macs) if p.macs else "", f"[{p.source}]({p.link})"] for p in PUBLISHED]
    parts = [
        "# Results",
        "## What it shows",
        "\n".join(f"- {sentence}" for sentence in findings.sentences),
        "## Scores",
        _about_scores(results),
        _table(scores, headers, "github"),
        *(_section(section) for section in findings.sections),
        "## Cost",
        "Held-out loss: on records kept out of training; compare it among students of one teacher and one objective "
        "only. Multiply-adds: linear layers of the encoder, one sequence.",
        _table(cost_rows(results), cost_headers(results), "github"),
        "## Published, not measured here",
        tabulate(published, ["system", "GLUE", "multiply-adds", "source"], "github"),
        f"{CLAIM} [{PAPER}]({LINK})",
    ]
    return "\n\n".join(parts) + "\n"


def terminal(results: Results, findings: Findings) -> str:
    """All tables, compact."""
    headers = ["model", first_column(results)[0], *(column.short for column in results.columns)]
    costs = cost_headers(results)
    costs[1:5] = ["held-out", "mult-adds", "params", "active"]
    parts = [_table(score_rows(results), headers), _table(cost_rows(results), costs)]
    for section in findings.sections:
        for table in section.tables:
            headers = [header.replace(", ", "\n") for header in table.headers]
            parts.append(f"{section.title}: {table.name}\n\n{_table(table.rows, headers)}")
    return "\n\n".join(parts)


def _section(section: TableGroup) -> str:
    """An ablation's tables in Markdown."""
    tables = [f"### {table.name}\n\n{_table(table.rows, table.headers, 'github')}" for table in section.tables]
    return "\n\n".join([f"## {section.title}", section.caption, *tables])


def _table(rows: list[list[str]], headers: list[str], style: str = "simple") -> str:
    align = ["left" if not place or header == "model" else "right" for place, header in enumerate(headers)]
    return tabulate(rows, headers, style, disable_numparse=True, colalign=align)
