"""The run in small: a few steps of distilling, on the records of `made_text`, and of finetuning are timed.

Everything goes through the stages' own functions, so what they gain or lose in speed is seen here. Widths, length,
precision and relation heads are the run's; there are few layers, a small vocabulary and as many sequences at once as
fit the time. What a layer costs is the difference between a model with more of them and one with fewer; what is left
(relations, optimizer) is the learner's own.
"""

import io
import math
import time
from array import array
from collections import defaultdict
from collections.abc import Callable
from contextlib import redirect_stderr, suppress
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import torch
from transformers import BertForSequenceClassification

from minimoe.distill.hooks import Teacher
from minimoe.distill.round import distill
from minimoe.finetune.data import Batches, Examples
from minimoe.finetune.loop import computing, train
from minimoe.models import MiniMoEConfig, MiniMoEModel
from minimoe.models.save import save
from minimoe.params.rounds import Distill, Student
from minimoe.params.sections import Finetune
from minimoe.plan import flops
from minimoe.records.dataset import Records
from minimoe.tasks.table import TASKS
from minimoe.training.optim import PRECISIONS

VOCABULARY = 2048  # of the models; the made text has fewer tokens
STEPS = 5


class _EnoughError(Exception):
    """All steps wanted are timed."""


class Clock:
    """A tracker that times steps, and ends the training after a few."""

    def __init__(self):
        self.ends: list[float] = []

    def metrics(self, values: dict[str, float], step: int = 0) -> None:
        """Note the end of a training step."""
        if "train_loss" in values and step > len(self.ends):
            self.ends.append(time.perf_counter())
        if len(self.ends) == STEPS:
            raise _EnoughError

    def seconds(self, training: Callable[[], object]) -> float:
        """Seconds of a step of `training`, which has this tracker, when nothing disturbs it."""
        with suppress(_EnoughError), redirect_stderr(io.StringIO()):  # no bars
            training()
        return float(np.diff(self.ends).min())


def product(precision: str, device: str) -> float:
    """FLOP/s of a large matrix product."""
    size = 8192 if device == "cuda" else 1024
    x = torch.randn(size, size, device=device).to(PRECISIONS[precision] or torch.float32)
    return 2 * size**3 / _shortest(lambda: x @ x, device)


def teaching(work: Path, teacher: MiniMoEConfig, settings: Distill, device: str) -> float:
    """Seconds of a teacher's pass over a batch of the records in `work`."""
    model = Teacher(_saved(teacher, work), "last", precision=settings.precision)
    model.model.to(device)
    batch = Records(work / "records").batch(range(settings.batch))
    batch = {name: values.to(device) for name, values in batch.items()}

    return _shortest(lambda: model(batch), device)


def distilling(work: Path, teacher: MiniMoEConfig, student: MiniMoEConfig, settings: Distill, device: str) -> float:
    """Seconds of a distillation step on the records in `work`."""
    records, clock = Records(work / "records"), Clock()
    shape = Student(
        layers=student.num_hidden_layers,
        hidden=student.hidden_size,
        heads=student.num_attention_heads,
        neurons=student.intermediate_size,
        experts={"ffn": student.ffn_experts[0]},
    )
    return clock.seconds(
        lambda: distill(
            _saved(teacher, work),
            records,
            {"student": shape},
            settings,
            seed=0,
            trackers=defaultdict(lambda: clock),
            device=device,
            log_every=1,
        )
    )


def finetuning(model: MiniMoEConfig, length: int, settings: Finetune, device: str) -> float:
    """Seconds of a finetuning step on sequences of `length` tokens, on a cell's cores."""
    ids = np.random.default_rng(0).integers(5, model.vocab_size, (settings.batch * (STEPS + 1), length)).tolist()
    mask = array("i", [1] * length)
    features = [{"input_ids": array("i", row), "attention_mask": mask, "labels": 0} for row in ids]
    made = Examples(features, [0] * len(features), [])
    batches = Batches(TASKS["sst2"], SimpleNamespace(pad_token_id=0, pad_token_type_id=0))
    clock = Clock()
    chosen = settings.model_dump(include={"batch", "warmup", "weight_decay"})
    with computing(settings.threads):
        return clock.seconds(
            lambda: train(
                BertForSequenceClassification(model.plain()),
                TASKS["sst2"],
                {"train": made, "dev": made},
                batches,
                **chosen,
                epochs=1,
                patience=1,
                learning_rate=settings.learning_rates[0],
                seed=0,
                device=device,
                log_every=1,
                label="plan",
                tracker=clock,
            )
        )


def shrunk(config, layers: int, experts: int = 1) -> MiniMoEConfig:
    """A model as wide as one with this config, with so many layers and experts and a small vocabulary."""
    layer = flops.layers(config)[0]
    heads = math.gcd(layer.width, config.num_attention_heads)
    return MiniMoEConfig(
        vocab_size=VOCABULARY,
        num_hidden_layers=layers,
        hidden_size=layer.width,
        num_attention_heads=heads,
        intermediate_size=max(1, layer.neurons),
        ffn_experts=[experts] * layers,
    )


def few_steps(settings: Distill, *widths: int) -> Distill:
    """A round's settings for a trial, whose length the clock decides; relation heads that divide the widths."""
    heads = math.gcd(settings.relation_heads, *widths)
    same = {"objective": "minilm", "teacher_layer": "last", "relation_heads": heads}
    return settings.model_copy(update={"epochs": 1000, "heldout": 1, "evaluate_every": 10**9, **same})


def _saved(config: MiniMoEConfig, work: Path) -> Path:
    """The folder of a teacher of this shape."""
    folder = work / f"teacher-{config.num_hidden_layers}"
    if not folder.exists():
        save(MiniMoEModel(config), folder)
    return folder


def _shortest(work: Callable[[], object], device: str) -> float:
    """Seconds of `work` when nothing disturbs it."""
    times = []
    for _ in range(STEPS):
        start = time.perf_counter()
        work()
        if device == "cuda":
            torch.cuda.synchronize()
        times.append(time.perf_counter() - start)
    return min(times)
