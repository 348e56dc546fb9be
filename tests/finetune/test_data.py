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
    batch = Batches(made, TASKS["conll2003"], tokenizer, "cpu")([0, 1])
    assert batch["input_ids"].shape == batch["labels"].shape == (2, 7)
    assert batch["input_ids"][1].tolist()[3:] == [0] * 4
    assert batch["attention_mask"].sum(1).tolist() == [7, 3]
    assert batch["labels"][1].tolist() == [-100, 1, -100, -100, -100, -100, -100]
    values = encode([{"text": "a", "pair": "b", "label": 3.8}], TASKS["stsb"], tokenizer, 16)
    labels = Batches(values, TASKS["stsb"], tokenizer, "cpu")([0])["labels"]
    assert labels.dtype == torch.float32
    assert labels.tolist() == pytest.approx([3.8])


@pytest.mark.parametrize("task", ["mnli", "stsb", "conll2003"])
def test_batches_are_those_of_lists_padded_one_by_one(tokenizer, data, task):
    examples = read_examples(data / task / "train.jsonl", TASKS[task], 20)
    for number, example in enumerate(examples):  # of many lengths
        key, more = ("tags", ["O"]) if task == "conll2003" else ("text", " a")
        example[key] += more * (number % 5)
        if task == "conll2003":
            example["words"] += ["a"] * (number % 5)
    made = encode(examples, TASKS[task], tokenizer, 16)
    batches, fill = Batches(made, TASKS[task], tokenizer, "cpu"), {"labels": -100}
    for numbers in ([5, 2, 9], [0], list(range(len(made)))[::-1]):
        batch, chosen = batches(numbers), [made.features[number] for number in numbers]
        width = max(len(feature["input_ids"]) for feature in chosen)
        assert set(batch) == set(chosen[0])
        for key, values in batch.items():
            rows = [feature[key] for feature in chosen]
            if key != "labels" or task == "conll2003":
                rows = [[*row, *[fill.get(key, 0)] * (width - len(row))] for row in rows]
            assert values.dtype == (torch.float32 if task == "stsb" and key == "labels" else torch.int64)
            torch.testing.assert_close(values, torch.tensor(rows, dtype=values.dtype), rtol=0, atol=0)


def test_words_that_are_cut_off_are_answered_with_o(tokenizer):
    task = TASKS["conll2003"]
    made = encode(TAGGED[:1], task, tokenizer, 5)  # [CLS] b ##b ##b [SEP]
    batch = Batches(made, task, tokenizer, "cpu")([0])
    logits = torch.zeros(1, 5, len(task.labels))
    logits[..., task.labels.index("B-LOC")] = 1.0
    assert answers(logits, batch["labels"], task, made.words, made.gold) == [["B-LOC", "O", "O"]]


def test_answers_of_the_other_kinds():
    labels = torch.zeros(2)
    logits = torch.tensor([[0.0, 2.0, 1.0], [3.0, 2.0, 1.0]])
    assert answers(logits, labels, TASKS["mnli"], [], []) == [1, 0]
    assert answers(torch.tensor([[1.5], [2.5]]), labels, TASKS["stsb"], [], []) == [1.5, 2.5]
