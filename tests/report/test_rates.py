"""The page shows which learning rate each cell chose, and says where a better one may lie beyond those tried."""

import pytest

from minimoe.report.findings import find
from minimoe.report.rates import TITLE

RATES = (1e-4, 3e-4, 1e-3)


@pytest.fixture
def tried(tree):
    """The small run, of which cells of two tasks tried three rates."""
    for model in tree.models:
        for task in ("rte", "mnli"):
            grid = [{"seed": seed, "learning_rate": rate} for rate in RATES for seed in (1, 2, 3)]
            change = {"runs": grid, "learning_rate": 3e-4}
            tree.edit(f"metrics/finetune/{model}/{task}.json", lambda cell, change=change: cell.update(change))
    return tree


def choose(tree, model: str, task: str, rate: float) -> None:
    tree.edit(f"metrics/finetune/{model}/{task}.json", lambda cell: cell.update(learning_rate=rate))


def shown(tree) -> tuple[list, list]:
    found = find(tree.collect())
    tables = [table for section in found.sections if section.title == TITLE for table in section.tables]
    return tables, [sentence for sentence in found.sentences if sentence.startswith(TITLE)]


def test_one_rate_is_no_choice(tree):
    assert shown(tree) == ([], [])


def test_rates_inside_of_those_tried_are_a_table_alone(tried):
    (table,), sentences = shown(tried)
    assert table.headers == ["model", "mnli", "rte"]
    assert table.rows == [[model, "0.0003", "0.0003"] for model in tried.models]
    assert not sentences


@pytest.mark.parametrize(
    ("ends", "told"),
    [
        ({("teacher", "rte"): 1e-3}, "1 chose the highest;"),
        ({("teacher", "rte"): 1e-4}, "1 chose the lowest;"),
        ({("teacher", "rte"): 1e-4, ("base/minilm", "mnli"): 1e-4}, "2 chose the lowest;"),
        ({("teacher", "rte"): 1e-4, ("base/minilm", "mnli"): 1e-3}, "1 chose the lowest and 1 chose the highest;"),
    ],
)
def test_a_rate_at_the_end_of_those_tried_is_told(tried, ends, told):
    for (model, task), rate in ends.items():
        choose(tried, model, task, rate)
    (table,), (sentence,) = shown(tried)
    assert f"of {2 * len(tried.models)} cells that tried several, {told}" in sentence
    found = {(row[0], task): cell for row in table.rows for task, cell in zip(("mnli", "rte"), row[1:], strict=True)}
    words = {1e-4: "0.0001 lowest", 1e-3: "0.001 highest"}
    assert {place: cell for place, cell in found.items() if cell != "0.0003"} == {
        place: words[rate] for place, rate in ends.items()
    }


def test_models_may_have_tried_different_rates(tried):
    runs = [{"seed": 1, "learning_rate": rate} for rate in (3e-4, 1e-2)]
    tried.edit("metrics/finetune/teacher/rte.json", lambda cell: cell.update(runs=runs))
    tried.edit("metrics/finetune/base/minilm/rte.json", lambda cell: cell.update(runs=runs[:1]))
    (table,), (sentence,) = shown(tried)
    cells = {row[0]: row[2] for row in table.rows}
    assert (cells["teacher"], cells["base/minilm"], cells["base/minimoe"]) == ("0.0003 lowest", "", "0.0003")
    assert f"of {2 * len(tried.models) - 1} cells" in sentence
