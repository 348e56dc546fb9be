"""Rounds over tiny random records, and what they are made of."""

from collections import defaultdict

import numpy as np
import torch

from minimoe.distill.round import distill
from minimoe.params.rounds import Distill, Student
from minimoe.records.dataset import texts
from minimoe.tracking import NoTracker

DENSE = Student(layers=2, hidden=24)
EXPERTS = Student.model_validate({"layers": 1, "hidden": 24, "experts": {"attention": 2, "ffn": 3}})
HASHED = Student.model_validate({"layers": 1, "hidden": 24, "experts": {"attention": 2, "ffn": 3, "router": "hash"}})
FINE = Student.model_validate(
    {"layers": 1, "hidden": 24, "experts": {"attention": 2, "ffn": 5, "active": 2, "shared": 16}}
)


class TinyRecords:
    """Random sequences of random lengths, behind the interface of `Records`."""

    def __init__(self, count: int = 40, max_length: int = 12):
        self.manifest = {"max_length": max_length, "vocabulary": 1, "segments": False}
        generator = np.random.default_rng(0)
        self.sequences = [generator.integers(5, 50, size=generator.integers(4, 12)) for _ in range(count)]

    def split(self, heldout: int):
        everything = np.arange(len(self.sequences))
        return everything[heldout:], everything[:heldout]

    def chosen(self, indices, apart):
        """With `apart` each sequence in two halves, the second behind the first token too."""
        chosen = [self.sequences[index] for index in indices]
        return texts(chosen, np.array([len(own) // 2 for own in chosen])) if apart else chosen

    def lengths(self, indices, *, apart=False):
        return np.array([len(sequence) for sequence in self.chosen(indices, apart)])

    def batch(self, indices, *, apart=False):
        chosen = self.chosen(indices, apart)
        ids = np.zeros((len(chosen), max(map(len, chosen))), dtype=np.int64)
        for row, sequence in zip(ids, chosen, strict=True):
            row[: len(sequence)] = sequence
        ids = torch.from_numpy(ids)
        return {"input_ids": ids, "attention_mask": (ids > 0).long(), "token_type_ids": torch.zeros_like(ids)}


class Recorder(NoTracker):
    def __init__(self):
        self.points = []

    def metrics(self, values, step=0):
        self.points.append((step, values))


def settings(**changes) -> Distill:
    values = dict(
        epochs=2, batch=8, learning_rate=1e-3, warmup=0.1, weight_decay=0.01, gradient_norm=5.0, adam_epsilon=1e-6,
        schedule="linear", expert_learning_rate=1.0, router_z_loss=0.0,
        dropout=0.1, precision="fp32", objective="minilm", teacher_layer="last", relation_heads=12,
        further_layers=[], relation_sequences=1, extra_projection="published",
        relation_dropout=0.0, log_epsilon=0.0, relation_weights=[1, 1, 1], tinybert_weights=[1, 1],
        embedding_distance="cosine", load_balance=0.01,
        balance_padding=False, assistant_tradeoff=0.2, heldout=8, evaluate_every=3,
    )  # fmt: skip
    return Distill(**values | changes)


def run(
    teacher, students, records=None, micro_batch=0, once_for_all=None, assistant=False,
    checkpoints=None, tracker=Recorder, compiled=False, same_bits=False, seed=7, then=None, **changes,
):  # fmt: skip
    trackers = defaultdict(tracker)
    results = distill(
        teacher,
        records or TinyRecords(),
        students,
        settings(**changes),
        seed=seed,
        then=settings(**changes | then) if then is not None else None,
        once_for_all=once_for_all,
        assistant=assistant,
        trackers=trackers,
        compiled=compiled,
        same_bits=same_bits,
        micro_batch=micro_batch,
        log_every=1,
        checkpoints=checkpoints,
    )
    for name, result in results.items():
        result.points = trackers[name].points
    return results


def weights(result) -> torch.Tensor:
    return torch.cat([weight.detach().flatten() for weight in result.learner.supernet.parameters()])
