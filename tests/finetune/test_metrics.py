"""Expected values are counted by hand."""

import pytest

from minimoe.finetune.metrics import majority, scores
from minimoe.system.errors import UserError


def test_accuracy_and_f1():
    gold, predicted = [1, 1, 1, 0, 0], [1, 1, 0, 1, 0]
    # two true positives, one false positive, one false negative
    assert scores(("accuracy", "f1"), gold, predicted) == {"accuracy": 60.0, "f1": pytest.approx(66.6667)}


def test_f1_without_a_positive_answer_is_0():
    assert scores(("f1",), [1, 0], [0, 0]) == {"f1": 0.0}


def test_matthews():
    assert scores(("matthews",), [1, 1, 0, 0], [1, 0, 0, 0])["matthews"] == pytest.approx(57.735)  # 1 / √3
    assert scores(("matthews",), [1, 0], [0, 1])["matthews"] == -100.0


def test_correlations():
    gold, predicted = [0.0, 1.0, 2.0, 3.0], [0.0, 1.0, 2.0, 30.0]
    values = scores(("spearman", "pearson"), gold, predicted)
    assert values["spearman"] == 100.0
    assert 70 < values["pearson"] < 90
    assert scores(("spearman", "pearson"), gold, [1.0] * 4) == {"spearman": 0.0, "pearson": 0.0}


def test_chunks_count_whole():
    gold = [["B-PER", "I-PER", "O", "B-LOC"], ["O", "B-ORG"]]
    predicted = [["B-PER", "O", "O", "B-LOC"], ["O", "B-ORG"]]
    # two of three found, two of three right
    assert scores(("chunk_f1",), gold, predicted)["chunk_f1"] == pytest.approx(66.6667)


def test_several_labels_an_example():
    gold, predicted = [(1, 1, 0), (0, 1, 0), (0, 0, 0)], [(1, 0, 0), (0, 1, 1), (0, 0, 0)]
    # over all: two found of three, two right of three; by label: 1, 2/3, 0
    values = scores(("micro_f1", "macro_f1"), gold, predicted)
    assert values == {"micro_f1": pytest.approx(66.6667), "macro_f1": pytest.approx(55.5556)}


def test_macro_f1_is_the_mean_over_labels():
    assert scores(("macro_f1",), [0, 0, 1, 2], [0, 0, 1, 1])["macro_f1"] == pytest.approx(100 * (1 + 2 / 3 + 0) / 3)


def test_tags_count_by_word():
    assert scores(("tag_accuracy",), [["NN", "VB"], ["NN"]], [["NN", "NN"], ["NN"]])["tag_accuracy"] == 66.6667


def test_no_number_is_an_error():
    with pytest.raises(UserError, match="spearman is nan"):
        scores(("spearman",), [1.0, 2.0], [float("nan"), 1.0])


@pytest.mark.parametrize(
    ("name", "gold", "score"),
    [
        ("accuracy", [0, 1, 1, 2], 50.0),
        ("f1", [1, 1, 0], 80.0),
        ("f1", [0, 0, 1], 0.0),
        ("f1", [0, 1], 66.6667),  # equally common: the better one
        ("matthews", [0, 0, 1], 0.0),
        ("spearman", [0.5, 1.0], 0.0),
        ("chunk_f1", [["B-PER"]], 0.0),
        ("tag_accuracy", [["NN", "VB"], ["NN", "NN"]], 75.0),
        ("macro_f1", [0, 0, 1], 40.0),
        ("micro_f1", [(1, 0), (1, 0), (0, 1)], 66.6667),  # always the first label
    ],
)
def test_majority(name, gold, score):
    assert majority(name, gold) == score
