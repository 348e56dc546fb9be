"""What runs answered: whole, in the order of the task's files, and of the runs that the score is a mean of."""

from statistics import mean

import numpy as np
import pandas as pd
import pytest
from finetune.test_cell import run

from minimoe.finetune.data import EncodedExamples, read_examples
from minimoe.finetune.metrics import METRICS
from minimoe.finetune.predictions import given, right, write
from minimoe.tasks.table import TASKS
from minimoe.tasks.task import Task

GRID = {"learning_rates": [1e-3, 5e-3], "seeds": [7, 2], "epochs": 8, "patience": 8}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("task", "metric"), [("sst2", "accuracy"), ("stsb", "spearman"), ("mnli", "accuracy"), ("conll2003", "chunk_f1")]
)
def test_they_give_the_score_that_the_cell_has(model, data, tmp_path, task, metric):
    cell = run(model, data, tmp_path, task, **GRID)
    table = pd.read_parquet(tmp_path / "out.parquet")
    assert list(table.columns) == ["column", "gold", "7", "2"]
    for column, split in TASKS[task].results.items():
        own = table[table.column == column]
        examples = read_examples(data / task / f"{split}.jsonl", TASKS[task])
        if metric == "chunk_f1":
            found = [np.stack(own[seed]).sum(0) for seed in ("7", "2")]
            values = [200 * correct / (count + own.gold.sum()) for count, correct in found]
            assert list(own.gold) == [sum(tag[0] == "B" for tag in example["tags"]) for example in examples]
        else:
            assert list(own.gold) == [example["label"] for example in examples]
            values = [100 * METRICS[metric](own.gold, own[seed]) for seed in ("7", "2")]
        assert mean(values) == pytest.approx(cell["results"][column]["mean"], abs=1e-3)


def test_they_are_in_the_order_of_the_file(tmp_path):
    examples = EncodedExamples(gold=[3, 1, 2], places=[2, 0, 1])
    task, found = TASKS["mnli"], given(TASKS["mnli"], examples.gold, [0, 1, 2])
    values = dict.fromkeys(task.results, _tensor(found))
    write(tmp_path / "a", task, {"dev": examples, "dev_mismatched": examples}, {5: values})
    table = pd.read_parquet(tmp_path / "a")
    assert list(table.gold) == [1, 2, 3] * 2 and list(table["5"]) == [1, 2, 0] * 2
    assert list(table.column) == ["mnli"] * 3 + ["mnli-mm"] * 3


def test_of_tags_there_is_what_f1_counts():
    gold = [["B-PER", "I-PER", "O", "B-LOC"], ["O", "O"], ["B-PER"]]
    predicted = [["B-PER", "I-PER", "B-LOC", "I-LOC"], ["O", "B-LOC"], ["B-LOC"]]
    task = TASKS["conll2003"]
    assert right(task, gold).tolist() == [2, 0, 1]
    assert given(task, gold, predicted).tolist() == [[2, 1], [1, 0], [1, 0]]


def test_of_tags_that_are_no_entities_there_are_words():
    task = _own("tagging", "tag_accuracy")
    assert right(task, [["x", "y"], ["x"]]).tolist() == [2, 1]
    assert given(task, [["x", "y"], ["x"]], [["y", "y"], ["x"]]).tolist() == [[2, 1], [1, 1]]


def test_several_labels_are_a_row_of_bits(tmp_path):
    task, examples = _own("multilabel", "micro_f1"), EncodedExamples(gold=[(1, 0, 1), (0, 0, 0)])
    write(tmp_path / "a", task, {"dev": examples}, {1: {"own": _tensor(given(task, examples.gold, [(1, 1, 0)] * 2))}})
    table = pd.read_parquet(tmp_path / "a")
    assert np.stack(table.gold).tolist() == [[1, 0, 1], [0, 0, 0]]
    assert np.stack(table["1"]).tolist() == [[1, 1, 0], [1, 1, 0]]


def test_a_large_set_stays_small(tmp_path):
    """QQP's dev set, of which a third of the answers are wrong."""
    rng = np.random.default_rng(0)
    gold = rng.integers(0, 2, 40_430)
    answers = [np.where(rng.random(len(gold)) < 0.3, 1 - gold, gold) for _ in range(3)]
    task, examples = TASKS["qqp"], EncodedExamples(gold=gold.tolist())
    runs = {seed: {"qqp": _tensor(given(task, gold, found))} for seed, found in enumerate(answers)}
    write(tmp_path / "a", task, {"dev": examples}, runs)
    assert (tmp_path / "a").stat().st_size < 50_000


def _tensor(values: np.ndarray):
    import torch

    return torch.from_numpy(values)


def _own(kind: str, metric: str) -> Task:
    return Task(
        name="own", kind=kind, columns=(), labels=("x", "y", "z"), metrics=(metric,), splits=TASKS["sst2"].splits
    )
