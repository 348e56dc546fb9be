from typing import get_args

from minimoe.params.sections import TaskName
from minimoe.report.columns import COLUMNS, SCORE
from minimoe.tasks.table import GLUE_SCORE, TASKS


def test_every_task_of_the_schema_is_in_the_table():
    assert set(TASKS) == set(get_args(TaskName))


def test_glue_score_is_the_papers_eight_columns():
    assert set(GLUE_SCORE) == {"sst2", "mrpc", "stsb", "qqp", "mnli", "mnli-mm", "qnli", "rte"}


def test_results_columns():
    assert TASKS["mnli"].results == {"mnli": "dev", "mnli-mm": "dev_mismatched"}
    assert TASKS["conll2003"].results == {"conll2003": "dev", "conll2003-test": "test"}
    assert TASKS["rte"].results == {"rte": "dev"}
    assert TASKS["ocnli"].results == {"ocnli": "dev"}


def test_every_results_column_has_its_place_in_the_report():
    assert {column for task in TASKS.values() for column in task.results} == {column.key for column in COLUMNS}
    assert {column.key for column in COLUMNS if column.group == SCORE} == set(GLUE_SCORE)


def test_numbers_of_labels_of_clue():
    assert [len(TASKS[task].labels) for task in ("tnews", "iflytek", "afqmc", "cmnli", "csl")] == [15, 119, 2, 3, 2]


def test_written_labels_match_label_names():
    for task in TASKS.values():
        assert not task.written or len(task.written) == len(task.labels)
        assert bool(task.labels) == (task.kind != "regression")


def test_labels_of_glue_are_numbered_as_on_the_hub():
    """Those that a model finetuned elsewhere answers with."""
    numbered = {
        "cola": ("unacceptable", "acceptable"),
        "sst2": ("negative", "positive"),
        "mrpc": ("not_equivalent", "equivalent"),
        "qqp": ("not_duplicate", "duplicate"),
        "mnli": ("entailment", "neutral", "contradiction"),
        "qnli": ("entailment", "not_entailment"),
        "rte": ("entailment", "not_entailment"),
        "wnli": ("not_entailment", "entailment"),
    }
    assert {name: TASKS[name].labels for name in numbered} == numbered


def test_the_papers_metric_comes_first():
    first = {"cola": "matthews", "mrpc": "f1", "qqp": "f1", "stsb": "spearman", "conll2003": "chunk_f1"}
    assert {name: task.metrics[0] for name, task in TASKS.items()} == {name: "accuracy" for name in TASKS} | first
