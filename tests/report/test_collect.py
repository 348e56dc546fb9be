"""Collecting follows params: a missing or torn cell is one line that says which and how to make it."""

import pytest

from minimoe.params.own_tasks import OwnTask
from minimoe.report.page import write_report
from minimoe.report.provenance import Provenance
from minimoe.system.errors import UserError


def test_rows_follow_the_table_not_the_folder(tree):
    tree.write("metrics/finetune/base/stale/sst2.json", {"results": {}})
    results = tree.collect(models=["base/minimoe", "teacher"], tasks=["mnli", "sst2"])
    assert list(results.models) == ["base/minimoe", "teacher"]
    assert list(results.scores.model.drop_duplicates()) == ["base/minimoe", "teacher"]
    assert list(results.scores.task[:3]) == ["sst2", "mnli", "mnli-mm"]
    assert set(results.curves.student) == {"minimoe"}


@pytest.mark.slow
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


@pytest.mark.slow
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


def result(**values):
    return lambda v: v["results"]["rte"].update(values)


def student(**values):
    return lambda v: v["minimoe"].update(values)


CELL, ROUND, COST = "metrics/finetune/teacher/rte.json", "metrics/distill/base.json", "metrics/cost/teacher.json"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("path", "change", "expected"),
    [
        (CELL, result(mean=None), r"results\.rte\.mean: expected a number from -100 to 100, got None"),
        (CELL, result(mean=float("nan")), r"results\.rte\.mean: expected a number from -100 to 100, got nan"),
        (CELL, result(mean=1e6), r"results\.rte\.mean: expected a number from -100 to 100, got 1000000"),
        (CELL, result(mean=True), r"results\.rte\.mean: expected a number from -100 to 100, got True"),
        (CELL, result(std=-1.0), r"results\.rte\.std: expected a number from 0 to 200, got -1"),
        (CELL, result(runs=0), r"results\.rte\.runs: expected a number of at least 1, got 0"),
        (CELL, result(majority="50"), r"results\.rte\.majority: expected a number from -100 to 100, got '50'"),
        (CELL, result(metric=3), r"results\.rte\.metric: expected a text, got 3"),
        (CELL, lambda v: v["results"].update(rte=[1]), r"results\.rte: expected 'mean' and more, got \[1\]"),
        (CELL, lambda v: v.update(runs=3), "runs: expected a list, got 3"),
        (ROUND, student(heldout_loss=None), r"minimoe\.heldout_loss: expected a number of at least 0, got None"),
        (ROUND, student(heldout_loss=float("inf")), r"minimoe\.heldout_loss: expected a number .*, got inf"),
        (ROUND, student(steps=-1), r"minimoe\.steps: expected a number of at least 0, got -1"),
        (ROUND, student(expert_load=3), r"minimoe\.expert_load: expected keys and values, got 3"),
        (ROUND, student(expert_load={"ffn": 3}), r"minimoe\.expert_load\.ffn: expected a list, got 3"),
        (ROUND, student(expert_load={"ffn": [[0.5, None]]}), r"ffn\.0\.1: expected a number from 0 to 1, got None"),
        (ROUND, student(expert_load={"ffn": [[1.0], [0.5, 0.5]]}), r"load\.ffn: expected as many experts in every"),
        (ROUND, student(expert_load={"middle": [[1.0]]}), r"expert_load: expected attention and ffn, found middle"),
        (ROUND, student(router_entropy={"ffn": [0.1]}), r"router_entropy\.ffn: expected 2 numbers, one a layer, got 1"),
        (ROUND, student(router_entropy={"ffn": ["high", 1]}), r"entropy\.ffn\.0: expected a number .*, got 'high'"),
        (ROUND, student(candidates=[1]), r"minimoe\.candidates: expected keys and values, got \[1\]"),
        (ROUND, student(candidates={"0": 1}), r"minimoe\.candidates\.0: expected 'heldout_loss' and more, got 1"),
        (ROUND, student(candidates={"x": {}}), r"minimoe\.candidates: expected sparsities in %, found x"),
        (COST, lambda v: v.update(macs_128=-5), "macs_128: expected a number of at least 1, got -5"),
        (COST, lambda v: v.update(latency_ms_b1=0), r"latency_ms_b1: expected a number of at least 0\.001, got 0"),
        (COST, lambda v: v.pop("machine"), "expected 'machine'"),
    ],
)  # fmt: skip
def test_values_that_no_stage_writes_are_refused(tree, path, change, expected):
    tree.edit(path, change)
    with pytest.raises(UserError, match=expected) as error:
        tree.collect()
    assert str(error.value).startswith(str(tree.root / path)) and "dvc repro -f '" in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("content", ["", "student,step\nminilm,0\n"])
def test_torn_curves_are_refused(tree, content):
    (tree.root / "curves/base.csv").write_text(content)
    with pytest.raises(UserError, match=r"base\.csv: expected columns student, step.*dvc repro -f 'distill@base'"):
        tree.collect()


def test_invalid_json_is_refused(tree):
    (tree.root / "metrics/cost/teacher.json").write_text("{")
    with pytest.raises(UserError, match=r"teacher\.json: not valid JSON.*dvc repro -f 'cost@teacher'"):
        tree.collect()


def test_a_task_of_ones_own_is_the_last_column_everywhere(tree, tmp_path):
    given = {"kind": "multilabel", "path": "x", "train": "a.csv", "dev": "b.csv", "text": "t", "label": "l"}
    own = {"tickets": OwnTask.model_validate(given).row("tickets")}
    models = ["teacher", "base/minilm", "base/minimoe"]
    for place, model in enumerate(models):
        result = {"metric": "micro_f1", "mean": 70.5 + place, "std": 0.0, "runs": 1, "majority": 40.0}
        cell = {"model": model, "task": "tickets", "learning_rate": 3e-5, "results": {"tickets": result}}
        cell["runs"] = [{"seed": 1, "learning_rate": 3e-5}]
        tree.write(f"metrics/finetune/{model}/tickets.json", cell)
    results = tree.collect(models=models, tasks=["tickets", "sst2"], own=own)
    assert [column.key for column in results.columns] == ["sst2", "tickets"]
    assert results.majority["tickets"] == 40.0
    write_report(results, tmp_path / "reports", Provenance())
    page = (tmp_path / "reports/index.html").read_text()
    assert "own tasks" in page and "micro F1" in page and "72.5" in page
    assert "72.5" in (tmp_path / "reports/results.md").read_text()
