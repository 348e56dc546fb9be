"""Rows that a finetuned teacher taught the task too: what they are compared with, and what they are left out of."""

import json

import pytest
from report.conftest import TASKS

from minimoe.report.comparisons import compare
from minimoe.report.findings import find
from minimoe.report.page import write_report
from minimoe.report.pairs import controls, pairs
from minimoe.report.provenance import Provenance
from minimoe.report.questions import EXPERTS, PROJECTED
from minimoe.report.untrained import TITLE
from minimoe.system.errors import UserError

ROWS = ("taught/base/minilm", "taught/base/minimoe", "taught/control/scratch")


@pytest.fixture
def taught(tree):
    for row in ROWS:
        for task in TASKS:
            path = f"metrics/finetune/{row.removeprefix('taught/')}/{task}.json"
            cell = json.loads((tree.root / path).read_text())
            for result in cell["results"].values():
                result["mean"] += 1.5 + len(task) / 10
            tree.write(f"metrics/finetune/{row}/{task}.json", cell)
    tree.models = [*tree.models, *ROWS]
    return tree


def test_a_row_is_compared_with_itself_not_taught(taught):
    results = taught.collect()
    found = {(pair.question, pair.first, pair.second): pair for pair in compare(results, pairs(results))}
    questions = {(first, second) for question, first, second in found if question == "taught the task or not"}
    assert questions == {("taught/base/minilm", "base/minilm"), ("taught/base/minimoe", "base/minimoe")}
    pair = found["taught the task or not", "taught/base/minilm", "base/minilm"]
    assert pair.verdict == "higher" and (pair.macs, pair.parameters) == (1, 1)
    assert (EXPERTS + PROJECTED, "taught/base/minimoe", "taught/base/minilm") in found
    assert (EXPERTS + PROJECTED, "taught/base/minimoe", "base/minilm") not in found


@pytest.mark.slow
def test_controls_and_small_tables_leave_them_out(taught, tmp_path):
    with_them, models = taught.collect(), [model for model in taught.models if model not in ROWS]
    without = taught.collect(models=models)
    assert controls(with_them) == controls(without)
    sections = [[own for own in find(one).sections if own.title != TITLE] for one in (with_them, without)]
    assert sections[0] == sections[1]
    assert with_them.curves.equals(without.curves)


@pytest.mark.slow
def test_the_page_shows_them_as_what_they_are(taught, tmp_path):
    results = taught.collect()
    model = results.models["taught/base/minimoe"]
    assert (model.kind, model.task_teacher, model.taught_by) == ("MiniMoE", "teacher", "teacher")
    assert results.costs.loc["taught/base/minimoe"].equals(results.costs.loc["base/minimoe"])
    write_report(results, tmp_path / "reports", Provenance())
    page = (tmp_path / "reports/index.html").read_text()
    assert "taught by teacher, its tasks by teacher too" in page
    assert page.count("Share of held-out tokens") == 1


def test_a_missing_cell_names_the_stage_that_makes_it(taught):
    (taught.root / "metrics/finetune/taught/base/minilm/rte.json").unlink()
    with pytest.raises(UserError, match="taught@base/minilm-rte"):
        taught.collect()
