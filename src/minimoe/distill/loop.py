"""A pass over the corpus: every step the teacher sees the batch once, and each learner learns from it."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
from accelerate import Accelerator
from torch import Tensor
from tqdm import tqdm

from minimoe.corpus.records import Records
from minimoe.distill.heldout import Heldout, measure
from minimoe.distill.learner import Learner, share
from minimoe.distill.objectives import Totals
from minimoe.errors import UserError
from minimoe.models.student import MiniMoEModel
from minimoe.params.rounds import Distill


@dataclass
class Outcome:
    """What became of one student."""

    name: str
    learner: Learner
    steps: int
    records: int
    heldout: Heldout
    about: dict = field(default_factory=dict)  # what else its metrics say
    curve: list[dict] = field(default_factory=list)  # rows of step, train_loss, heldout_loss

    @property
    def encoder(self) -> MiniMoEModel:
        """The student as it is saved."""
        return self.learner.encoder(self.name)

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
        return values | self.about


class Pass:
    """The records of a round in their order, in training and held-out parts.

    Args:
        records: what to train on; `settings.heldout` of them are kept out.
        settings: the round's settings.
        seed: of the order.
        micro_batch: sequences at once on a device; 0 means all of its share.
        log_every: steps between two points of the training curves.
    """

    def __init__(
        self, records: Records, settings: Distill, seed: int, accelerator: Accelerator, micro_batch: int, log_every: int
    ):
        self.records, self.settings, self.seed, self.accelerator = records, settings, seed, accelerator
        self.micro_batch, self.log_every = micro_batch, log_every
        self.train, kept = records.split(settings.heldout)
        self.steps = _steps(len(self.train), settings)
        self.heldout = [self._batch(part) for part in _parts(kept, micro_batch or settings.batch)]

    def run(self, learners: list[Learner], teacher: Callable, trackers: dict) -> dict[str, Outcome]:
        """Train the learners.

        Args:
            teacher: from a batch of ids, mask, segments [B, T] to its taps.
            trackers: by student, where curves go.

        Raises:
            UserError: a loss that is no number any more.
        """
        outcomes = {}
        before = measure(learners, teacher, self.heldout)
        for learner in learners:
            for name in learner.names:
                start = before[name]
                outcomes[name] = Outcome(name, learner, self.steps, self.steps * self.settings.batch, start)
                outcomes[name].add(0, start, None, trackers[name])
        progress = tqdm(self._plan(), total=self.steps, desc="distil", unit="step", disable=not self.steps)
        for step, parts in enumerate(progress, start=1):
            logged = self._step(learners, teacher, [self._batch(part) for part in parts])
            if step % self.log_every == 0 or step == self.steps:
                for name, values in logged.items():
                    trackers[name].metrics({key: _number(value, name, step) for key, value in values.items()}, step)
            if step % self.settings.evaluate_every == 0 or step == self.steps:
                now = measure(learners, teacher, self.heldout)
                for learner in learners:
                    for name, loss in learner.mean_losses().items():
                        outcomes[name].add(step, now[name], loss, trackers[name])
        return outcomes

    def _step(self, learners: list[Learner], teacher: Callable, batches: list[dict]) -> dict[str, dict]:
        """One optimizer step of every learner; the teacher sees each part of the batch once."""
        own = Totals.of([batch["attention_mask"] for batch in batches])
        totals = Totals(*(int(self.accelerator.reduce(_tensor(n, batches), "sum")) for n in own))
        for number, batch in enumerate(batches, start=1):
            taps = share(teacher(batch), batch, learners)
            for learner in learners:
                learner.accumulate(batch, taps, totals, last=number == len(batches))
        return {name: logged for learner in learners for name, logged in learner.update().items()}

    def _plan(self) -> Iterator[list[np.ndarray]]:
        """For every step the records of this process, in parts that fit the device.

        A step's records depend on seed and epoch alone; processes share them out.
        """
        size = self.settings.batch
        for epoch in range(self.settings.epochs):
            order = self.records.order(self.train, self.seed, epoch)
            for start in range(0, len(self.train) - size + 1, size):
                batch = order[start : start + size]
                share = batch[self.accelerator.process_index :: self.accelerator.num_processes]
                yield _parts(share, self.micro_batch or len(share))

    def _batch(self, indices: np.ndarray) -> dict[str, Tensor]:
        return {key: value.to(self.accelerator.device) for key, value in self.records.batch(indices).items()}


def _parts(indices: np.ndarray, size: int) -> list[np.ndarray]:
    return [indices[start : start + size] for start in range(0, len(indices), size)]


def _tensor(number: int, batches: list[dict]) -> Tensor:
    return batches[0]["attention_mask"].new_tensor(number)


def _steps(records: int, settings: Distill) -> int:
    """Optimizer steps of the round; the incomplete last batch of an epoch is left out."""
    if settings.epochs and records < settings.batch:
        raise UserError(
            f"distill.batch: expected at most {records}, the records left to train on; got {settings.batch}"
        )
    return settings.epochs * (records // settings.batch)


def _number(value: Tensor | float, student: str, step: int) -> float:
    number = float(value)
    if not math.isfinite(number):
        raise UserError(
            f"student {student}: the loss or its gradient is {number} at step {step}; "
            "lower distill.learning_rate, or set distill.precision to bf16 or fp32"
        )
    return number
