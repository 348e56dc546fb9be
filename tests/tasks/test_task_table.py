"""The tasks' table, and that a task is one row of it."""

import json

import pytest
import yaml
from transformers import BertTokenizer

from minimoe.finetune.data import encode, read_examples
from minimoe.params import Params
from minimoe.params.resolve import resolve
from minimoe.plan.sizes import examples
from minimoe.report.columns import GLUE, columns_of
from minimoe.tasks.prepare import prepare_tasks
from minimoe.tasks.table import OUTSIDE, TASKS
from minimoe.tasks.task import Sizes, Split, Task, from_settings, to_settings

TOY = Task(
    name="toy",
    label="Toy",
    folder="Toy",
    kind="classification",
    columns=("question", "answer", "verdict"),
    hub_columns=("question", "answer", "label"),
    labels=("wrong", "right"),
    metrics=("accuracy",),
    splits=(Split("train", None, "train.tsv", "train"), Split("dev", "", "dev.tsv", "validation")),
    group=OUTSIDE,
    sizes=Sizes(1000, 100, 12),
)
FILE = "question\tanswer\tverdict\nwho sang\tAnna sang\tright\nwho sang\tit rained\twrong\n"


@pytest.fixture
def toy(monkeypatch) -> Task:
    """The table with one more row."""
    monkeypatch.setitem(TASKS, "toy", TOY)
    return TOY


def params(sample: str, **source) -> Params:
    """The sample's params with the new task as second column and GLUE from elsewhere."""
    values = yaml.safe_load(sample)
    values["table"]["tasks"] = ["sst2", "toy"]
    values["tasks"] = {"toy": {"epochs": 2}}
    values["task_data"]["glue"] |= source
    return Params.model_validate(values)


def test_a_task_is_one_row(toy, tmp_path, pytestconfig):
    sample = (pytestconfig.rootpath / "params.yaml").read_text()
    chosen = params(sample)
    cell = resolve(chosen)["finetune/toy"]
    assert cell["epochs"] == 2
    assert resolve(chosen)["tasks"]["tasks"] == ["sst2", "toy"]
    for split in ("train", "dev"):
        (tmp_path / "Toy").mkdir(exist_ok=True)
        (tmp_path / "Toy" / f"{split}.tsv").write_text(FILE)
    prepare_tasks(["toy"], {"glue": str(tmp_path)}, {}, tmp_path / "made")
    task = from_settings(json.loads(json.dumps(cell["task"])))
    made = read_examples(tmp_path / "made/toy/train.jsonl", task)
    assert made[0] == {"text": "who sang", "pair": "Anna sang", "label": 1}
    tokenizer = BertTokenizer(
        vocab={token: i for i, token in enumerate(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"])}
    )
    assert encode(made, task, tokenizer, 16).gold == [1, 0]
    assert [(column.key, column.label, column.group) for column in columns_of(["toy"])] == [("toy", "Toy", OUTSIDE)]
    assert examples("toy", params(sample, source="hub"), tmp_path, set())[0] == toy.sizes


def test_another_row_reruns_no_cell(monkeypatch, pytestconfig):
    values = yaml.safe_load((pytestconfig.rootpath / "params.yaml").read_text())
    before = resolve(Params.model_validate(values))
    monkeypatch.setitem(TASKS, "toy", TOY)
    values["table"]["tasks"].append("toy")
    after = resolve(Params.model_validate(values))
    assert {name for name in after if after[name] != before.get(name)} == {"tasks", "report", "finetune/toy"}


def test_an_unknown_task_is_refused(pytestconfig):
    with pytest.raises(ValueError, match="toy"):
        params((pytestconfig.rootpath / "params.yaml").read_text())


def test_settings_hold_all_that_finetuning_reads():
    for task in TASKS.values():
        same = from_settings(json.loads(json.dumps(to_settings(task), sort_keys=True)))
        assert same.results == task.results
        assert to_settings(same) == to_settings(task)


def test_glue_score_is_the_papers_eight_columns():
    assert set(GLUE) == {"sst2", "mrpc", "stsb", "qqp", "mnli", "mnli-mm", "qnli", "rte"}


def test_results_columns():
    assert TASKS["mnli"].results == {"mnli": "dev", "mnli-mm": "dev_mismatched"}
    assert TASKS["conll2003"].results == {"conll2003": "dev", "conll2003-test": "test"}
    assert TASKS["rte"].results == {"rte": "dev"}
    assert TASKS["ocnli"].results == {"ocnli": "dev"}


def test_every_row_is_whole():
    """With files at both sources, a place in the report and sizes; columns of one group stand side by side."""
    for task in TASKS.values():
        assert task.hub_columns and len(task.hub_columns) == len(task.columns or task.hub_columns)
        assert all(split.file and split.hub for split in task.splits)
        assert task.group and task.sizes and min(task.sizes[not task.trained :]) > 0
        assert task.trained == any(split.suffix is None for split in task.splits) == (task.sizes.train > 0)
    columns = columns_of(TASKS)
    assert all(column.label and column.short for column in columns)
    groups = [column.group for column in columns]
    assert groups == sorted(groups, key=list(dict.fromkeys(groups)).index)


def test_numbers_of_labels_of_clue():
    assert [len(TASKS[task].labels) for task in ("tnews", "iflytek", "afqmc", "cmnli", "csl")] == [15, 119, 2, 3, 2]


def test_written_labels_match_label_names():
    for task in TASKS.values():
        assert not task.written or len(task.written) == len(task.labels)
        assert bool(task.labels) == (not task.graded)


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
    first = {"cola": "matthews", "mrpc": "f1", "qqp": "f1", "conll2003": "chunk_f1"}
    first |= {"stsb": "spearman", "stsb_cosine": "spearman"}
    assert {name: task.metrics[0] for name, task in TASKS.items()} == {name: "accuracy" for name in TASKS} | first
