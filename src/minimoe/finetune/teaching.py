"""Teach a student a task: a finetuned teacher's answers beside the labels, and on further texts (arXiv 1503.02531, §2).

The teacher answers every example once, before the student's first epoch, without dropout.
"""

import re
from array import array
from bisect import bisect_right
from itertools import accumulate
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from minimoe.finetune.data import IGNORED, UNLABELLED, EncodedExamples, encode
from minimoe.system.errors import UserError
from minimoe.tasks.task import Task

WORDS = re.compile(r"\w+|[^\w\s]")


class Teaching(NamedTuple):
    """What a student learns from a teacher on a task."""

    teacher: str  # the folder of a model that was finetuned on the task
    temperature: float  # of the probabilities of both
    weight: float  # of the teacher's answers in the loss; the labels have the rest
    texts: str  # a folder of sentences, one a line
    unlabelled: int  # of those that are answered too


def loss(logits: Tensor, labels: Tensor, taught: Tensor, kind: str, temperature: float, weight: float) -> Tensor:
    """weight · teacher + (1 − weight) · labels, a mean over examples, or for tagging over pieces that have a label.

    The teacher's part is T² · KL( softmax(taught / T) ‖ softmax(logits / T) ), of several labels at once the mean over
    them, each yes or no, and for numbers the squared difference. Where there is no label, its part is left out.

    Args:
        logits, taught: of student and teacher [B, C], for tagging [B, T, C].
        labels: [B], for several labels at once [B, C], for tagging [B, T].
        kind: the task's.
        temperature: T.
    """
    logits, taught = logits.float(), taught.float()
    if kind == "tagging":
        counted = labels.flatten() != IGNORED
        logits, taught, labels = logits.flatten(0, 1), taught.flatten(0, 1), labels.flatten()
    else:
        counted = torch.ones(len(labels), dtype=torch.bool, device=labels.device)
    known = labels != UNLABELLED
    if kind == "regression":
        soft, hard = (logits - taught).square().squeeze(-1), (logits.squeeze(-1) - labels).square()
    elif kind == "multilabel":
        known = known.all(-1)
        pairs = [torch.stack([x, torch.zeros_like(x)], -1) for x in (logits, taught)]
        soft = _divergence(*pairs, temperature).mean(-1)
        hard = functional.binary_cross_entropy_with_logits(logits, labels.float(), reduction="none").mean(-1)
    else:
        soft = _divergence(logits, taught, temperature)
        hard = functional.cross_entropy(logits, labels.clamp(min=0), reduction="none")
    each = weight * soft + (1 - weight) * hard.where(known, 0.0)
    return each.where(counted, 0.0).sum() / counted.sum()


def _divergence(logits: Tensor, taught: Tensor, temperature: float) -> Tensor:
    """T² · KL over the last dimension: the factor keeps gradients as large as those of labels, whatever T is."""
    log, wanted = ((x / temperature).log_softmax(-1) for x in (logits, taught))
    return temperature**2 * (wanted.exp() * (wanted - log)).sum(-1)


def unlabelled(folder: str | Path, count: int, task: Task, tokenizer, max_length: int) -> EncodedExamples:
    """`count` sentences of a corpus, evenly spaced, as examples of `task` without labels; of pairs, two that follow.

    Raises:
        UserError: there are not many more.
    """
    pairs = len(task.columns) == 3 and task.kind != "tagging"
    found = sentences(folder, count, pairs)
    if task.kind == "tagging":
        examples = [{"words": WORDS.findall(text), "tags": ["O"] * len(WORDS.findall(text))} for text, _ in found]
    else:
        label = [] if task.kind == "multilabel" else 0
        examples = [{"text": text, "pair": pair, "label": label} for text, pair in found]
    made = encode(examples, task, tokenizer, max_length)
    for feature in made.features:
        feature["labels"] = _without(feature["labels"])
    return made


def _without(label):
    """The label, where there is none."""
    if isinstance(label, array):
        return array("i", [number if number == IGNORED else UNLABELLED for number in label])
    return (UNLABELLED,) * len(label) if isinstance(label, tuple) else UNLABELLED


def sentences(folder: str | Path, count: int, pairs: bool = False) -> list[tuple[str, str | None]]:
    """The sentence that begins after each of `count` evenly spaced places of a folder's text, and for pairs the next.

    Args:
        folder: files of one sentence a line, an empty line between documents.
    """
    paths = sorted(Path(folder).glob("*.txt"))
    sizes = [path.stat().st_size for path in paths]
    ends = list(accumulate(sizes))
    found: dict[tuple[Path, int], tuple[str, str | None]] = {}
    for number in range(count if ends and ends[-1] else 0):
        at = number * ends[-1] // count
        file = bisect_right(ends, at)
        place, chosen = _after(paths[file], at - ends[file] + sizes[file], 1 + pairs)
        if len(chosen) == 1 + pairs:
            found[paths[file], place] = chosen[0], chosen[1] if pairs else None
    if len(found) < count:
        raise UserError(
            f"taught.unlabelled: expected far fewer than {folder} has, where {len(found)} were found; got {count}"
        )
    return list(found.values())


def _after(path: Path, place: int, count: int) -> tuple[int, list[str]]:
    """The first sentences that begin at a place of a file or after it, and where they begin."""
    with path.open("rb") as file:
        if place:
            file.seek(place - 1)
            file.readline()
        begin, chosen = file.tell(), []
        while len(chosen) < count and (line := file.readline()):
            if text := line.decode("utf-8", errors="replace").strip():
                chosen.append(text)
            elif not chosen:
                begin = file.tell()
    return begin, chosen
