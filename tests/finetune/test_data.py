import pytest
import torch

from minimoe.finetune.data import Batches, answers, encode, read_examples
from minimoe.system.errors import UserError
from minimoe.tasks.table import TASKS

TAGGED = [
    {"words": ["bbb", "eats", "a"], "tags": ["B-PER", "O", "O"]},
    {"words": ["ann"], "tags": ["B-PER"]},
]


def test_reading(data):
    assert len(read_examples(data / "sst2" / "train.jsonl", TASKS["sst2"])) == 64
    assert [e["label"] for e in read_examples(data / "sst2" / "train.jsonl", TASKS["sst2"], 3)] == [0, 1, 0]
    with pytest.raises(UserError, match="no such file"):
        read_examples(data / "cola" / "train.jsonl", TASKS["cola"])


def test_texts_and_pairs(tokenizer):
    one = encode([{"text": "the film", "pair": None, "label": 1}], TASKS["sst2"], tokenizer, 16)
    assert tokenizer.convert_ids_to_tokens(one[0]["input_ids"]) == ["[CLS]", "the", "film", "[SEP]"]
    assert one[0]["labels"] == 1
    two = encode([{"text": "the film", "pair": "a", "label": 2}], TASKS["mnli"], tokenizer, 16)
    assert tokenizer.convert_ids_to_tokens(two[0]["input_ids"]) == ["[CLS]", "the", "film", "[SEP]", "a", "[SEP]"]
    assert list(two[0]["token_type_ids"]) == [0, 0, 0, 0, 1, 1]
    assert (
        len(encode([{"text": "a " * 99, "pair": "b " * 99, "label": 2}], TASKS["mnli"], tokenizer, 16)[0]["input_ids"])
        == 16
    )


def test_a_words_label_is_on_its_first_piece(tokenizer):
    made = encode(TAGGED, TASKS["conll2003"], tokenizer, 16)
    assert tokenizer.convert_ids_to_tokens(made[0]["input_ids"]) == ["[CLS]", "b", "##b", "##b", "eats", "a", "[SEP]"]
    assert list(made[0]["labels"]) == [-100, 1, -100, -100, 0, 0, -100]
    assert made.gold[0] == ["B-PER", "O", "O"]
    assert made.words == [[0, 1, 2], [0]]


def test_examples_are_tokenised_in_parts(tokenizer, monkeypatch):
    whole = encode(TAGGED * 3, TASKS["conll2003"], tokenizer, 16)
    monkeypatch.setattr("minimoe.finetune.data.AT_ONCE", 4)
    assert encode(TAGGED * 3, TASKS["conll2003"], tokenizer, 16) == whole


def test_sorting_keeps_answers_beside_their_examples(tokenizer):
    made = encode(TAGGED, TASKS["conll2003"], tokenizer, 16, by_length=True)
    assert made.gold == [["B-PER"], ["B-PER", "O", "O"]]
    assert made.words == [[0], [0, 1, 2]]
    assert [len(feature["input_ids"]) for feature in made.features] == [3, 7]


def test_batches_are_padded_to_their_longest(tokenizer):
    made = encode(TAGGED, TASKS["conll2003"], tokenizer, 16)
    batch = Batches(TASKS["conll2003"], tokenizer)(made.features)
    assert batch["input_ids"].shape == batch["labels"].shape == (2, 7)
    assert batch["input_ids"][1].tolist()[3:] == [0] * 4
    assert batch["attention_mask"].sum(1).tolist() == [7, 3]
    assert batch["labels"][1].tolist() == [-100, 1, -100, -100, -100, -100, -100]
    values = encode([{"text": "a", "pair": "b", "label": 3.8}], TASKS["stsb"], tokenizer, 16)
    labels = Batches(TASKS["stsb"], tokenizer)(values.features)["labels"]
    assert labels.dtype == torch.float32
    assert labels.tolist() == pytest.approx([3.8])


def test_words_that_are_cut_off_are_answered_with_o(tokenizer):
    task = TASKS["conll2003"]
    made = encode(TAGGED[:1], task, tokenizer, 5)  # [CLS] b ##b ##b [SEP]
    batch = Batches(task, tokenizer)(made.features)
    logits = torch.zeros(1, 5, len(task.labels))
    logits[..., task.labels.index("B-LOC")] = 1.0
    assert answers(logits, batch["labels"], task, made.words, made.gold) == [["B-LOC", "O", "O"]]


def test_answers_of_the_other_kinds():
    labels = torch.zeros(2)
    logits = torch.tensor([[0.0, 2.0, 1.0], [3.0, 2.0, 1.0]])
    assert answers(logits, labels, TASKS["mnli"], [], []) == [1, 0]
    assert answers(torch.tensor([[1.5], [2.5]]), labels, TASKS["stsb"], [], []) == [1.5, 2.5]
