"""Encode a task's examples for a model, and decode the model's outputs into answers.

A plain list of tokenised examples is the dataset. A batch is as long as its longest example. In tagging, a word's
label stands on its first piece; a word without a piece, truncated by the maximum length, is answered with O.
"""

import json
from array import array
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import torch
from torch import Tensor

from minimoe.system.errors import UserError, readable
from minimoe.tasks.task import Task

IGNORED = -100  # label of a piece that is not predicted
AGAIN = "run the stage tasks again"
AT_ONCE = 1000  # examples given to the tokenizer, whose own form of them is large


@dataclass
class EncodedExamples:
    """Tokenised examples: a dataset for the Trainer, with the answers that are right."""

    # input_ids and their like, arrays of one length T, a seventh of what lists take; labels: one, or T of them
    features: list[dict] = field(default_factory=list)
    gold: list = field(default_factory=list)  # a label each, or for tagging the tags of all words
    # for tagging: the words that have a label, in the order of their pieces
    words: list[list[int]] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.features)

    def __getitem__(self, index: int) -> dict:
        return self.features[index]


def read_examples(path: str | Path, task: Task, limit: int = 0) -> list[dict]:
    """The first `limit` examples (0: all) of a file of `task` in the normal form."""
    path = Path(path)
    if not path.is_file():
        raise UserError(f"{path}: no such file; {AGAIN} with this task in table.tasks")
    with readable(str(path), AGAIN), path.open(encoding="utf-8") as file:
        examples = [json.loads(line) for line in islice(file, limit or None)]
    wrong = next((number for number, example in enumerate(examples, 1) if not _is_normal(example, task)), None)
    if wrong or not examples:
        raise UserError(f"{path}:{wrong or 1}: expected an example of {task.name} in the normal form; {AGAIN}")
    return examples


def _is_normal(example: object, task: Task) -> bool:
    """Whether it is as `tasks.readers` describes it."""
    if not isinstance(example, dict):
        return False
    if task.kind == "tagging":
        words, tags = example.get("words"), example.get("tags")
        lists = isinstance(words, list) and isinstance(tags, list) and 0 < len(words) == len(tags)
        return lists and all(isinstance(word, str) for word in words) and set(tags) <= set(task.labels)
    pair, label = isinstance(example.get("pair"), str), example.get("label")
    low, high = task.bounds if task.kind == "regression" else (0, len(task.labels) - 1)
    number = isinstance(label, (int, float) if task.kind == "regression" else int) and low <= label <= high
    return isinstance(example.get("text"), str) and pair == (len(task.columns) == 3) and number


def encode(examples: list[dict], task: Task, tokenizer, max_length: int, by_length: bool = False) -> EncodedExamples:
    """Tokenise, cut to `max_length`, and label; `by_length` sorts, which saves padding where order is free."""
    add = _add_words if task.kind == "tagging" else _add_texts
    made = EncodedExamples()
    for start in range(0, len(examples), AT_ONCE):
        add(made, examples[start : start + AT_ONCE], task, tokenizer, max_length)
    if not by_length:
        return made
    order = sorted(range(len(made)), key=lambda i: len(made.features[i]["input_ids"]))
    return EncodedExamples(
        *([values[i] for i in order] if values else [] for values in (made.features, made.gold, made.words))
    )


def _add_texts(made: EncodedExamples, examples: list[dict], task: Task, tokenizer, max_length: int) -> None:
    texts = [example["text"] for example in examples]
    pairs = [example["pair"] for example in examples] if len(task.columns) == 3 else None
    encoded = tokenizer(texts, pairs, truncation=True, max_length=max_length)
    for i, example in enumerate(examples):
        made.features.append({**_arrays(encoded, i), "labels": example["label"]})
        made.gold.append(example["label"])


def _add_words(made: EncodedExamples, examples: list[dict], task: Task, tokenizer, max_length: int) -> None:
    sentences = [example["words"] for example in examples]
    encoded = tokenizer(sentences, is_split_into_words=True, truncation=True, max_length=max_length)
    numbers = {name: number for number, name in enumerate(task.labels)}
    for i, example in enumerate(examples):
        places = encoded.word_ids(i)
        first = [word is not None and word != before for word, before in zip(places, [None, *places], strict=False)]
        labels = [numbers[example["tags"][word]] if new else IGNORED for word, new in zip(places, first, strict=True)]
        made.features.append({**_arrays(encoded, i), "labels": array("i", labels)})
        made.gold.append(example["tags"])
        made.words.append([word for word, new in zip(places, first, strict=True) if new])


def _arrays(encoded, i: int) -> dict[str, array]:
    return {key: array("i", rows[i]) for key, rows in encoded.items()}


class Batches:
    """Features → tensors [B, T] padded to the longest; labels [B], or [B, T] for tagging."""

    def __init__(self, task: Task, tokenizer):
        self.fill = {
            "input_ids": tokenizer.pad_token_id,
            "token_type_ids": tokenizer.pad_token_type_id,
            "attention_mask": 0,
            "labels": IGNORED,
        }
        self.label_type = torch.float32 if task.kind == "regression" else torch.int64

    def __call__(self, features: list[dict]) -> dict[str, Tensor]:
        """One batch."""
        width = max(len(feature["input_ids"]) for feature in features)
        batch = {}
        for key, fill in self.fill.items():
            if key not in features[0]:
                continue
            rows = [feature[key] for feature in features]
            if isinstance(rows[0], array):
                rows = [[*row, *[fill] * (width - len(row))] for row in rows]
            batch[key] = torch.tensor(rows, dtype=self.label_type if key == "labels" else torch.int64)
        return batch


def answers(logits: Tensor, labels: Tensor, task: Task, words: list[list[int]], gold: list) -> list:
    """A batch's answers: numbers of labels, values, or tags of all words of each sentence.

    logits [B, labels] or [B, T, labels]; labels [B] or [B, T]; `words` and `gold` as in `EncodedExamples`.
    """
    if task.kind == "regression":
        return logits.squeeze(-1).tolist()
    best = logits.argmax(-1)
    if task.kind == "classification":
        return best.tolist()
    made = []
    for row, labelled, places, tags in zip(best, labels != IGNORED, words, gold, strict=True):
        sentence = ["O"] * len(tags)
        for word, number in zip(places, row[labelled].tolist(), strict=True):
            sentence[word] = task.labels[number]
        made.append(sentence)
    return made
