"""A pass over the corpus: every step the teacher sees the batch once, and each learner learns from it."""

import sys
from collections.abc import Callable, Iterator

import numpy as np
from accelerate import Accelerator
from torch import Tensor
from tqdm import tqdm

from minimoe.distill import state
from minimoe.distill.health import check_losses, check_start, check_values, check_weights
from minimoe.distill.heldout import measure
from minimoe.distill.learner import Learner, share
from minimoe.distill.losses import totals
from minimoe.distill.outcome import Outcome
from minimoe.params.rounds import Distill
from minimoe.records.dataset import Records
from minimoe.records.shuffle import shuffled
from minimoe.resume.checkpoints import Checkpoints
from minimoe.system.errors import UserError
from minimoe.training.processes import own_parts

ORDERED = 1 << 14  # records whose order is worked out at once, which is faster than a batch's


class Pass:
    """The records of a round in their order, in training and held-out parts.

    Args:
        records: what to train on, and what is held out, of which `settings.heldout` are measured on.
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
        self.batches = _batches(len(self.train), settings)  # of an epoch
        self.steps = settings.epochs * self.batches
        self.heldout = [self._batch(part) for part in self._own(kept)]

    def run(
        self, learners: list[Learner], teacher: Callable, trackers: dict, checkpoints: Checkpoints
    ) -> dict[str, Outcome]:
        """Train the learners, from where `checkpoints` has them.

        Args:
            teacher: from a batch of ids, mask, segments [B, T] to its taps.
            trackers: by student, where curves go.
            checkpoints: of this pass.

        Raises:
            UserError: a loss that is no number any more.
        """
        outcomes, done = self._begin(learners, teacher, trackers, checkpoints)
        quiet = not self.steps or self.accelerator.process_index > 0
        progress = tqdm(self._plan(done), initial=done, total=self.steps, desc="distil", unit="step", disable=quiet)
        with checkpoints.interruptible():
            for step, parts in enumerate(progress, start=done + 1):
                logged = self._step(learners, teacher, [self._batch(part) for part in parts])
                last = step == self.steps
                if step % self.log_every == 0 or last:
                    check_losses(learners, step, self.batches)
                    for name, values in logged.items():
                        trackers[name].metrics(check_values(values, name, step, self.batches), step)
                if step % self.settings.evaluate_every == 0 or last:
                    check_losses(learners, step, self.batches)
                    now = measure(learners, teacher, self.heldout, self.accelerator)
                    for learner in learners:
                        for name, loss in learner.mean_losses().items():
                            outcomes[name].add(step, now[name], loss, trackers[name])
                self._keep(outcomes, trackers, checkpoints, step)
        return outcomes

    def _begin(
        self, learners: list[Learner], teacher: Callable, trackers: dict, checkpoints: Checkpoints
    ) -> tuple[dict[str, Outcome], int]:
        """What became of the students so far, and the steps done; the learners are brought there."""
        of = {name: learner for learner in learners for name in learner.names}
        records = self.steps * self.settings.batch
        if saved := state.newest(checkpoints, self.accelerator):
            self._settle(learners, teacher)
            curves, heldout = state.restore(saved, learners)
            if self.accelerator.process_index == 0:
                print(f"{checkpoints.folder}: going on after step {saved.number} of {self.steps}", file=sys.stderr)
            made = {n: Outcome(n, of[n], self.steps, records, heldout[n], curve=curves[n]) for n in of}
            return made, saved.number
        outcomes, start = {}, measure(learners, teacher, self.heldout, self.accelerator)
        check_start(start)
        for name, before in start.items():
            outcomes[name] = Outcome(name, of[name], self.steps, records, before)
            outcomes[name].add(0, before, None, trackers[name])
        return outcomes, 0

    def _settle(self, learners: list[Learner], teacher: Callable) -> None:
        """A step for nothing: processes sum gradients in an order that they choose in their first step."""
        if self.accelerator.num_processes > 1:
            batch = self._batch(next(self._plan())[0])
            taps, tokens = share(teacher(batch), batch, learners), totals([batch], self.accelerator)
            for learner in learners:
                learner.accumulate(batch, taps, tokens)
                learner.discard()

    def _keep(self, outcomes: dict[str, Outcome], trackers: dict, checkpoints: Checkpoints, step: int) -> None:
        """Save where it is time for it, and end where the user asked for it, in all processes or in none."""
        due, asked = checkpoints.decide(self.accelerator)
        if due or step == self.steps:
            learners = list(dict.fromkeys(outcome.learner for outcome in outcomes.values()))
            check_losses(learners, step, self.batches)
            check_weights(learners, step, self.batches)
            for tracker in trackers.values():
                tracker.flush()  # so that no point before the checkpoint can be lost
            state.save(checkpoints, step, learners, outcomes)
        if asked:
            self.accelerator.wait_for_everyone()  # the launcher may kill the main one, still writing, when others end
            raise KeyboardInterrupt

    def _step(self, learners: list[Learner], teacher: Callable, batches: list[dict]) -> dict[str, dict]:
        """One optimizer step of every learner; the teacher sees each part of the batch once."""
        tokens = totals(batches, self.accelerator)
        for learner in learners if len(batches) > 1 else []:
            learner.route(batches)
        for part, batch in enumerate(batches):
            taps = share(teacher(batch), batch, learners)
            for learner in learners:
                learner.accumulate(batch, taps, tokens, part=part, last=part == len(batches) - 1)
        return {name: logged for learner in learners for name, logged in learner.update().items()}

    def _plan(self, done: int = 0) -> Iterator[list[np.ndarray]]:
        """For every step after `done` the records of this process, in parts that fit the device.

        A step's records depend on seed and epoch alone; processes share them out.
        """
        size = self.settings.batch
        many = max(1, ORDERED // size)
        for epoch in range(done // max(self.batches, 1), self.settings.epochs):
            for first in range(max(0, done - epoch * self.batches), self.batches, many):
                last = min(first + many, self.batches)
                order = shuffled(self.train, self.seed, epoch, first * size, last * size)
                yield from map(self._own, order.reshape(-1, size))

    def _own(self, indices: np.ndarray) -> list[np.ndarray]:
        return own_parts(indices, self.micro_batch or self.settings.batch, self.accelerator)

    def _batch(self, indices: np.ndarray) -> dict[str, Tensor]:
        return {key: value.to(self.accelerator.device) for key, value in self.records.batch(indices).items()}


def _batches(records: int, settings: Distill) -> int:
    """Batches of an epoch; the incomplete last one is left out."""
    if settings.epochs and records < settings.batch:
        raise UserError(
            f"distill.batch: expected at most {records}, the records left to train on; got {settings.batch}"
        )
    return records // settings.batch
