"""A round: one teacher, one pass over the corpus, one or more students.

The teacher's forward pass costs far more than a small student's step, so the students of a round share it. They
share nothing else: see `learner`.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from accelerate import Accelerator
from torch import Tensor
from tqdm import tqdm

from minimoe.corpus.records import Records
from minimoe.distill.heldout import Heldout, measure
from minimoe.distill.learner import Learner, autocast
from minimoe.distill.student import TappedStudent
from minimoe.distill.taps import Teacher
from minimoe.errors import UserError
from minimoe.models.initialise import new_student
from minimoe.models.save import student_config
from minimoe.params.rounds import Distill, Student


@dataclass
class Outcome:
    """What became of one student."""

    student: TappedStudent
    steps: int
    records: int
    heldout: Heldout
    curve: list[dict] = field(default_factory=list)  # rows of step, train_loss, heldout_loss

    def add(self, step: int, heldout: Heldout, train_loss: float | None, tracker) -> None:
        """One more point of the curve; `train_loss` is the mean since the point before."""
        self.heldout = heldout
        self.curve.append({"step": step, "train_loss": train_loss, "heldout_loss": heldout.loss})
        tracker.metrics(heldout.metrics(), step)

    def metrics(self) -> dict:
        """What the round's metrics file says of it."""
        values = {
            "heldout_loss": self.curve[-1]["heldout_loss"],
            "heldout_loss_initial": self.curve[0]["heldout_loss"],
            "train_loss": self.curve[-1]["train_loss"],
            "steps": self.steps,
            "records": self.records,
        }
        if self.heldout.load:
            values |= {"expert_load": self.heldout.load, "router_entropy": self.heldout.entropy}
        return values


def distil(
    teacher_folder: str | Path,
    records: Records,
    students: dict[str, Student],
    settings: Distill,
    seed: int,
    *,
    trackers: dict,
    device: str = "cpu",
    micro_batch: int = 0,
    log_every: int = 10,
) -> dict[str, Outcome]:
    """Train the students of one round.

    Args:
        teacher_folder: a Hugging Face encoder of a kind in `taps.ARCHITECTURES`.
        records: what to train on; `settings.heldout` of them are kept out.
        students: their shapes, by name.
        settings: the round's settings.
        seed: of initial weights, order and dropout.
        trackers: by student, where curves go.
        device: cpu or cuda.
        micro_batch: sequences at once on a device; 0 means all of its share.
        log_every: steps between two points of the training curves.

    Raises:
        UserError: settings that do not fit the teacher or the records, or a loss that is no number any more.
    """
    accelerator = Accelerator(cpu=device == "cpu")
    teacher = Teacher(teacher_folder, settings.teacher_layer)
    teacher.model.to(accelerator.device)
    _check(teacher, teacher_folder, settings)
    train, kept = records.split(settings.heldout)
    steps = _steps(len(train), settings)
    learners = {
        name: Learner(_new(shape, teacher, settings, seed).to(accelerator.device), settings, steps, seed, accelerator)
        for name, shape in students.items()
    }
    heldout = [_batch(records, part, accelerator) for part in _parts(kept, micro_batch or settings.batch)]

    outcomes = {}
    for name, start in measure(learners, teacher, heldout).items():
        outcomes[name] = Outcome(learners[name].student, steps, steps * settings.batch, start)
        outcomes[name].add(0, start, None, trackers[name])
    plan = _plan(records, train, settings, seed, accelerator, micro_batch)
    for step, parts in enumerate(tqdm(plan, total=steps, desc="distil", unit="step", disable=not steps), start=1):
        batches = [_batch(records, part, accelerator) for part in parts]
        logged = _step(learners, teacher, batches, accelerator)
        if step % log_every == 0 or step == steps:
            for name, values in logged.items():
                trackers[name].metrics({key: _number(value, name, step) for key, value in values.items()}, step)
        if step % settings.evaluate_every == 0 or step == steps:
            for name, now in measure(learners, teacher, heldout).items():
                outcomes[name].add(step, now, learners[name].mean_loss(), trackers[name])
    return outcomes


def _step(learners: dict[str, Learner], teacher: Teacher, batches: list[dict], accelerator: Accelerator) -> dict:
    """One optimizer step of every student; the teacher sees each part of the batch once."""
    tokens = sum(batch["attention_mask"].sum() for batch in batches)
    tokens = int(accelerator.reduce(tokens, "sum"))
    precision = next(iter(learners.values())).settings.precision
    for number, batch in enumerate(batches, start=1):
        with autocast(accelerator.device, precision):
            taps = teacher(batch)
        for learner in learners.values():
            learner.accumulate(batch, taps, tokens, last=number == len(batches))
    return {name: learner.update() for name, learner in learners.items()}


def _plan(
    records: Records, train: np.ndarray, settings: Distill, seed: int, accelerator: Accelerator, micro_batch: int
) -> Iterator[list[np.ndarray]]:
    """For every step the records of this process, in parts that fit the device.

    A step's records depend on seed and epoch alone; processes share them out.
    """
    for epoch in range(settings.epochs):
        order = records.order(train, seed, epoch)
        for start in range(0, len(train) - settings.batch + 1, settings.batch):
            batch = order[start : start + settings.batch]
            share = batch[accelerator.process_index :: accelerator.num_processes]
            yield _parts(share, micro_batch or len(share))


def _parts(indices: np.ndarray, size: int) -> list[np.ndarray]:
    return [indices[start : start + size] for start in range(0, len(indices), size)]


def _batch(records: Records, indices: np.ndarray, accelerator: Accelerator) -> dict[str, Tensor]:
    return {key: value.to(accelerator.device) for key, value in records.batch(indices).items()}


def _new(shape: Student, teacher: Teacher, settings: Distill, seed: int) -> TappedStudent:
    config = student_config(
        teacher.config,
        layers=shape.layers,
        hidden=shape.hidden,
        heads=shape.heads,
        neurons=shape.neurons,
        experts=shape.experts,
        dropout=settings.dropout,
    )
    return TappedStudent(new_student(config, seed), seed)


def _steps(records: int, settings: Distill) -> int:
    """Optimizer steps of the round; the incomplete last batch of an epoch is left out."""
    if settings.epochs and records < settings.batch:
        raise UserError(
            f"distill.batch: expected at most {records}, the records left to train on; got {settings.batch}"
        )
    return settings.epochs * (records // settings.batch)


def _check(teacher: Teacher, folder: str | Path, settings: Distill) -> None:
    width, heads = teacher.config.hidden_size, settings.relation_heads
    if width % heads:
        raise UserError(
            f"distill.relation_heads: expected a divisor of {width}, the width of the teacher {folder}; got {heads}"
        )


def _number(value: Tensor | float, student: str, step: int) -> float:
    number = float(value)
    if not math.isfinite(number):
        raise UserError(
            f"student {student}: the loss or its gradient is {number} at step {step}; "
            "lower distill.learning_rate, or set distill.precision to bf16 or fp32"
        )
    return number
