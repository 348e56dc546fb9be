"""Comparisons without finetuning stand beside those after it, and neither changes the other."""

import pandas as pd
import pytest

from minimoe.report.findings import find
from minimoe.report.questions import EXPERTS
from minimoe.report.tables import differences_table, markdown
from minimoe.report.untrained import TITLE
from tests.report.test_seeds import DENSE_NAME, MOE_NAME, ROUNDS, SEEDS, Tree

COSINES = {"dense-s1": 60.0, "dense-s2": 61.0, "dense-s3": 59.5, "moe-s1": 70.0, "moe-s2": 71.5, "moe-s3": 70.5}


@pytest.fixture
def tree(tmp_path) -> Tree:
    made = Tree(tmp_path, ROUNDS)
    for name in SEEDS:
        made.edit(
            f"metrics/finetune/luck/{name}/stsb_cosine.json",
            lambda v, mean=COSINES[name]: v["results"]["stsb_cosine"].update(mean=mean),
        )
    return made


def test_pairs_are_compared_by_columns_that_nothing_is_trained_on(tree):
    findings = find(tree.collect(tasks=("rte", "stsb_cosine")))
    (one,) = (own for own in findings.as_they_are if own.question.startswith(EXPERTS))
    assert (one.first, one.second) == (MOE_NAME, DENSE_NAME)
    assert one.mean == pytest.approx(70.667 - 60.167, abs=0.01) and one.low > 0 and one.verdict == "higher"
    assert list(one.by_task) == ["stsb_cosine"]
    (section,) = (own for own in findings.sections if own.title == TITLE)
    assert [row[2] for row in section.tables[0].rows if row[0].startswith("Experts")] == ["+10.5"]
    assert "other seeds of distillation" in section.caption


def test_those_after_finetuning_stay_as_they_are(tree):
    alone, both = (find(tree.collect(tasks=tasks)) for tasks in (("rte",), ("rte", "stsb_cosine")))
    assert alone.comparisons == both.comparisons and not alone.as_they_are
    assert TITLE not in markdown(tree.collect(tasks=("rte",)), alone)
    rows = differences_table(both.comparisons, both.as_they_are)
    pd.testing.assert_frame_equal(
        rows[rows.task != "without finetuning"].reset_index(drop=True), differences_table(alone.comparisons)
    )
    assert len(rows[rows.task == "without finetuning"]) == len(both.comparisons)


def test_where_nothing_is_finetuned_the_page_compares_by_them_itself(tree):
    found = find(tree.collect(tasks=("stsb_cosine",)))
    assert found.comparisons and not found.as_they_are
