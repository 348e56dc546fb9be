"""Encode a task's examples for a model, and decode the model's outputs into answers.

A batch is as long as its longest example. In tagging, a word's
label stands on its first piece; a word without a piece, truncated by the maximum length, is answered with O.
"""

import json
import math
from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from minimoe.system.errors import UserError, readable
from minimoe.tasks.task import Task

IGNORED = -100  # label of a piece that is not predicted
UNLABELLED = -1_000_000  # in place of a label that nobody knows
AGAIN = "run the stage tasks again"
STEP = 16  # on a GPU, lengths of batches are multiples of it: fewer shapes, of which each has its CUDA graph
AT_ONCE = 1000  # examples given to the tokenizer, whose own form of them is large


@dataclass
class EncodedExamples:
    """Tokenised examples, with the answers that are right."""

    # input_ids and their like, arrays of one length T, a seventh of what lists take; labels: one, or T of them
    features: list[dict] = field(default_factory=list)
    # a label each; for multilabel 0 or 1 for every label, for tagging the tags of all words
    gold: list = field(default_factory=list)
    # for tagging: the words that have a label, in the order of their pieces
    words: list[list[int]] = field(default_factory=list)
    # where they were sorted: the place of each in the task's file, from 0
    places: list[int] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.features)

    def __getitem__(self, index: int) -> dict:
        return self.features[index]

    def __add__(self, other: "EncodedExamples") -> "EncodedExamples":
        return EncodedExamples(self.features + other.features, self.gold + other.gold, self.words + other.words)


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
    low, high = task.bounds if task.graded else (0, len(task.labels) - 1)
    several = task.kind == "multilabel" and isinstance(label, list)
    numbers = all(
        isinstance(number, (int, float) if task.graded else int) and low <= number <= high
        for number in (label if several else [label])
    )
    return isinstance(example.get("text"), str) and pair == (len(task.columns) == 3) and numbers


def encode(examples: list[dict], task: Task, tokenizer, max_length: int, by_length: bool = False) -> EncodedExamples:
    """Tokenise, cut to `max_length`, and label; `by_length` sorts, which saves padding where order is free."""
    add = _add_words if task.kind == "tagging" else _add_texts
    made = EncodedExamples()
    for start in range(0, len(examples), AT_ONCE):
        add(made, examples[start : start + AT_ONCE], task, tokenizer, max_length)
    if not by_length:
        return made
    order = sorted(range(len(made)), key=lambda i: len(made.features[i]["input_ids"]))
    sets = ([values[i] for i in order] if values else [] for values in (made.features, made.gold, made.words))
    return EncodedExamples(*sets, order)


def _add_texts(made: EncodedExamples, examples: list[dict], task: Task, tokenizer, max_length: int) -> None:
    texts = [example["text"] for example in examples]
    pairs = [example["pair"] for example in examples] if len(task.columns) == 3 else None
    encoded = tokenizer(texts, pairs, truncation=True, max_length=max_length)
    for i, example in enumerate(examples):
        label = example["label"]
        if task.kind == "multilabel":
            label = tuple(int(number in label) for number in range(len(task.labels)))
        made.features.append({**_arrays(encoded, i), "labels": label})
        made.gold.append(label)


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
    """A set's examples on the device that computes with them, where batches are cut from one long row of each feature.

    So an example goes to the device once, for all runs of a cell, and not once in every epoch of each.

    Args:
        examples: the set; its answers stay beside.
        device: cpu or cuda.
    """

    def __init__(self, examples: EncodedExamples, task: Task, tokenizer, device: str):
        self.examples = examples
        self.fill = {
            "input_ids": tokenizer.pad_token_id,
            "token_type_ids": tokenizer.pad_token_type_id,
            "attention_mask": 0,
            "labels": IGNORED,
        }
        self.lengths = [len(feature["input_ids"]) for feature in examples.features]
        self.longest, self.step = max(self.lengths), 1 if device == "cpu" else STEP
        self.sizes = torch.tensor(self.lengths, device=device)  # the same, [examples]
        starts = np.cumsum([0, *self.lengths[:-1]])
        self.starts = torch.from_numpy(starts).to(device)  # in the long rows, [examples]
        by_piece = [key for key in self.fill if isinstance(examples.features[0].get(key), array)]
        self.rows = {
            key: torch.from_numpy(np.concatenate([feature[key] for feature in examples.features])).to(device)
            for key in by_piece
        }
        dtype = torch.float32 if task.kind in ("regression", "multilabel") else torch.int64
        self.taught: Tensor | None = None  # a teacher's logits [examples, C], for tagging [pieces, C] of the long row
        self.labels = None  # [examples], or [examples, labels] for multilabel; none where they are labels of pieces
        if "labels" not in by_piece:
            self.labels = torch.tensor([feature["labels"] for feature in examples.features], dtype=dtype, device=device)

    def __len__(self) -> int:
        return len(self.lengths)

    def __call__(self, numbers: Sequence[int]) -> dict[str, Tensor]:
        """The batch of these examples: features [B, T], padded to the longest or, on a GPU, to a multiple of `STEP`.

        Labels are [B], for tagging [B, T].
        """
        device = self.sizes.device
        chosen = torch.tensor(numbers).to(device, non_blocking=True)
        longest = math.ceil(max(self.lengths[number] for number in numbers) / self.step) * self.step
        places = torch.arange(min(longest, self.longest), device=device)
        inside = places < self.sizes[chosen, None]
        index = torch.where(inside, self.starts[chosen, None] + places, 0)
        batch = {key: torch.where(inside, row[index].long(), self.fill[key]) for key, row in self.rows.items()}
        if self.labels is not None:
            batch["labels"] = self.labels[chosen]
        if self.taught is not None:
            batch["taught"] = self.taught[chosen if self.labels is not None else index]
        return batch


def answers(logits: Tensor, labels: Tensor, task: Task, words: list[list[int]], gold: list) -> list:
    """A batch's answers: numbers of labels, values, 0 or 1 for every label, or tags of all words of each sentence.

    logits [B, labels] or [B, T, labels]; labels [B], [B, labels] or [B, T]; `words` and `gold` as in `EncodedExamples`.
    """
    if task.kind == "regression":
        return logits.squeeze(-1).tolist()
    if task.kind == "multilabel":  # a probability above a half
        return [tuple(row) for row in (logits > 0).int().tolist()]
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
