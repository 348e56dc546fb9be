"""The records of a round: which belong to each step, which are held out, and this process's share of both."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from accelerate import Accelerator

from minimoe.distill.batch import Batch, TokenCounts
from minimoe.params.rounds import Distill
from minimoe.records.dataset import Records
from minimoe.records.shuffle import shuffled
from minimoe.system.errors import UserError
from minimoe.training.processes import own_parts

ORDERED = 1 << 14  # records whose order is computed at once, which is faster than a batch's


class Step(NamedTuple):
    """The records of a step."""

    parts: list[Batch]  # this process's share
    counts: TokenCounts  # of all processes


class RoundData:
    """The batches of a round.

    Args:
        records: what to train on, and what is held out, of which `settings.heldout` are measured on.
        settings: the round's settings.
        seed: of the order.
        accelerator: knows the device and the other processes, which share a batch.
        micro_batch: sequences at once on a device; 0 means all of its share.

    Attributes:
        epoch_steps, steps: steps of an epoch, and of all.
        heldout: this process's held-out batches, and the counts of all processes.
    """

    def __init__(self, records: Records, settings: Distill, seed: int, accelerator: Accelerator, micro_batch: int):
        self.records, self.settings, self.seed, self.accelerator = records, settings, seed, accelerator
        self.micro_batch = micro_batch
        self.training, heldout = records.split(settings.heldout)
        if settings.epochs and len(self.training) < settings.batch:
            raise UserError(
                f"distill.batch: expected at most {len(self.training)}, the records left to train on; "
                f"got {settings.batch}"
            )
        self.epoch_steps = len(self.training) // settings.batch  # an incomplete last batch is left out
        self.steps = settings.epochs * self.epoch_steps
        if self.steps:
            self.own(np.arange(settings.batch))  # whether it can be shared out at all
        self.heldout = self._load(heldout, own_parts(heldout, micro_batch or settings.batch, accelerator))

    def steps_after(self, done: int = 0) -> Iterator[Step]:
        """The steps after the first `done`."""
        return (self._load(numbers, self.own(numbers)) for numbers in self.numbers(done))

    def numbers(self, done: int = 0) -> Iterator[np.ndarray]:
        """The numbers of the records of each step: a function of seed and epoch, however many processes share them."""
        size = self.settings.batch
        many = max(1, ORDERED // size)
        for epoch in range(done // max(self.epoch_steps, 1), self.settings.epochs):
            for first in range(max(0, done - epoch * self.epoch_steps), self.epoch_steps, many):
                last = min(first + many, self.epoch_steps)
                order = shuffled(self.training, self.seed, epoch, first * size, last * size)
                yield from order.reshape(-1, size)

    def own(self, numbers: np.ndarray) -> list[np.ndarray]:
        """This process's share of the numbers of a step, in parts; sequences whose tokens are related stay together."""
        return own_parts(numbers, self.micro_batch or self.settings.batch, self.accelerator, self.settings.together)

    def _load(self, numbers: np.ndarray, own: list[np.ndarray]) -> Step:
        """All processes know the lengths of all records, so that none has to ask the others."""
        apart = self.settings.objective == "embedding"  # of each text by itself
        parts = [self.records.batch(part, apart=apart) for part in own]
        counts = TokenCounts.of(self.records.lengths(numbers, apart=apart))
        return Step([Batch.of(part, self.accelerator.device) for part in parts], counts)
