"""Collecting follows params: a missing or torn cell is one line that says which and how to make it."""

import pytest

from minimoe.errors import UserError


def test_rows_follow_the_table_not_the_folder(tree):
    tree.write("metrics/finetune/base/stale/sst2.json", {"results": {}})
    results = tree.collect(models=["base/minimoe", "teacher"], tasks=["mnli", "sst2"])
    assert list(results.models) == ["base/minimoe", "teacher"]
    assert list(results.scores.model.drop_duplicates()) == ["base/minimoe", "teacher"]
    assert list(results.scores.task[:3]) == ["sst2", "mnli", "mnli-mm"]
    assert set(results.curves.student) == {"minimoe"}


@pytest.mark.parametrize(
    ("path", "stage"),
    [
        ("metrics/finetune/base/minilm/rte.json", "finetune@base/minilm-rte"),
        ("metrics/cost/teacher.json", "cost@teacher"),
        ("metrics/finetune/teachers/large/rte.json", "finetune@teachers/large-rte"),
        ("metrics/distill/ofa.json", "distill@ofa"),
        ("metrics/distill/assisted.json", "distill@assisted"),
        ("curves/base.csv", "distill@base"),
    ],
)
def test_a_missing_cell_names_its_command(every, path, stage):
    (every.root / path).unlink()
    with pytest.raises(UserError) as error:
        every.collect()
    assert path in str(error.value) and f"dvc repro '{stage}'" in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("path", "change", "expected"),
    [
        ("metrics/finetune/teacher/mnli.json", lambda v: v["results"].pop("mnli-mm"), "expected 'mnli-mm'"),
        ("metrics/distill/base.json", lambda v: v.pop("minimoe"), "expected 'minimoe'"),
        ("metrics/distill/base.json", lambda v: v["minimoe"].pop("steps"), "expected 'steps'"),
        ("metrics/distill/ofa.json", lambda v: v.pop("1L-48H"), "expected '1L-48H'"),
        ("metrics/distill/disc.json", lambda v: v["assistant"].pop("sparsity"), "expected 'sparsity'"),
        ("metrics/cost/teacher.json", lambda v: v.pop("macs_128"), "expected 'macs_128'"),
        ("metrics/finetune/teacher/rte.json", lambda v: v.pop("results"), "expected 'results'"),
        (
            "metrics/finetune/teacher/rte.json",
            lambda v: v["results"]["rte"].update(majority=51.0),
            "the majority's score on rte is 50.0 in one model's file and 51.0 in another's",
        ),
    ],
)
def test_a_torn_cell_is_refused(every, path, change, expected):
    every.edit(path, change)
    with pytest.raises(UserError, match=expected):
        every.collect()


@pytest.mark.parametrize("content", ["", "student,step\nminilm,0\n"])
def test_torn_curves_are_refused(tree, content):
    (tree.root / "curves/base.csv").write_text(content)
    with pytest.raises(UserError, match=r"base\.csv: expected columns student, step.*dvc repro -f 'distill@base'"):
        tree.collect()


def test_invalid_json_is_refused(tree):
    (tree.root / "metrics/cost/teacher.json").write_text("{")
    with pytest.raises(UserError, match=r"teacher\.json: not valid JSON.*dvc repro -f 'cost@teacher'"):
        tree.collect()
