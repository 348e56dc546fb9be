"""Show which learning rate of finetuning each cell chose, where it tried several.

A cell whose choice is the lowest or the highest of them may know less of its model than others do of theirs.
"""

from collections import Counter

from minimoe.report.ablations import Ablation, TableGroup
from minimoe.report.collect import Results

TITLE = "Learning rates of finetuning"


def rates_section(results: Results) -> list[TableGroup]:
    """The rates of the tasks that tried several; nothing where none did."""
    chosen = _chosen(results)
    tasks = list(dict.fromkeys(task for _, task in chosen))
    if not tasks:
        return []
    rows = [
        [model, *(" ".join(chosen.get((model, task), ("", ""))).strip() for task in tasks)] for model in results.models
    ]
    caption = (
        "Of the rates that a cell tried, the one with the best mean on the dev set. Where it is the lowest or the "
        "highest of them, a better one may lie beyond: add it to the task's learning_rates."
    )
    return [TableGroup(TITLE, caption, [Ablation("Chosen rates", ["model", *tasks], rows)])]


def at_the_end(results: Results) -> list[str]:
    """A sentence about cells whose choice was at either end; nothing where there is none."""
    chosen = _chosen(results)
    ends = Counter(end for _, end in chosen.values() if end)
    if not ends:
        return []
    parts = " and ".join(f"{ends[end]} chose the {end}" for end in ("lowest", "highest") if ends[end])
    return [f"{TITLE}: of {len(chosen)} cells that tried several, {parts}; a better rate may lie beyond."]


def _chosen(results: Results) -> dict[tuple[str, str], tuple[str, str]]:
    """By model and task: the rate, and whether it is the `lowest` or `highest`, of cells that tried several."""
    first = {column.task: column.key for column in results.columns}
    rates = results.scores.set_index(["model", "task"]).learning_rate
    found = {}
    for (model, task), tried in results.runs.groupby(["model", "task"], sort=False).learning_rate:
        if tried.nunique() > 1:
            rate = rates[model, first[task]]
            end = {tried.min(): "lowest", tried.max(): "highest"}.get(rate, "")
            found[model, task] = f"{rate:g}", end
    return found
