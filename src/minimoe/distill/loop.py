"""The training loop of a round: in every step the teacher sees the batch once, and each learner learns from it."""

import math
import sys
from collections.abc import Callable
from functools import partial

import torch
from tqdm import tqdm

from minimoe.distill import state
from minimoe.distill.data import RoundData, Step
from minimoe.distill.heldout import Heldout, StudentResult, evaluate
from minimoe.distill.learner import Learner, passes, teacher_features
from minimoe.resume.checkpoints import Checkpoints
from minimoe.system.errors import UserError
from minimoe.training.graphs import Graphs, run_sections


class TrainingLoop:
    """One pass over the records of a round.

    Args:
        data: the batches of every step.
        learners: what is trained.
        teacher: from a batch to its features.
        trackers: by student, where curves go.
        checkpoints: of this pass, from which it resumes.
        log_every: steps between two points of the training curves.
    """

    def __init__(
        self,
        data: RoundData,
        learners: list[Learner],
        teacher: Callable,
        trackers: dict,
        checkpoints: Checkpoints,
        log_every: int,
    ):
        self.data, self.learners, self.teacher = data, learners, teacher
        self.trackers, self.checkpoints, self.log_every = trackers, checkpoints, log_every
        self.settings, self.steps, self.accelerator = data.settings, data.steps, data.accelerator
        self._sections = partial(passes, teacher, learners)
        self._graphs = Graphs(self.accelerator.device) if all(learner.captured for learner in learners) else None
        self.results: dict[str, StudentResult] = {}

    def run(self) -> dict[str, StudentResult]:
        """Train, from where the checkpoints are; `UserError` for a loss or weight that becomes NaN or infinite."""
        done = self._begin()
        quiet = not self.steps or self.accelerator.process_index > 0
        progress = tqdm(
            self.data.steps_after(done), initial=done, total=self.steps, desc="distill", unit="step", disable=quiet
        )
        with self.checkpoints.interruptible():
            for step, records in enumerate(progress, start=done + 1):
                logged = self._step(records)
                if step % self.log_every == 0 or step == self.steps:
                    self._log(step, logged)
                if step % self.settings.evaluate_every == 0 or step == self.steps:
                    self._evaluate(step)
                self._save(step)
        return self.results

    def _step(self, records: Step) -> dict[str, dict]:
        """One optimizer step of every learner; returns what training curves show of it, by student."""
        parts, counts = records
        if len(parts) > 1:
            for learner in self.learners:
                learner.count_routed(parts)
        for number, batch in enumerate(parts):
            key, last = self.learners[0].key(number), number == len(parts) - 1
            if self._graphs:
                self._graphs(self._sections, batch, counts, key=key)
            else:
                run_sections(self._sections(batch, counts, last=last), self.accelerator.device, key)
        return {name: logged for learner in self.learners for name, logged in learner.update().items()}

    def _begin(self) -> int:
        """Bring learners and results to the newest checkpoint, or evaluate before the first step; returns its step."""
        saved = state.newest(self.checkpoints, self.accelerator)
        if saved:
            self._first_sync()
            curves, heldout = state.restore(saved, self.learners)
            if self.accelerator.process_index == 0:
                print(f"{self.checkpoints.folder}: going on after step {saved.number} of {self.steps}", file=sys.stderr)
        else:
            curves, heldout = {}, evaluate(self.learners, self.teacher, self.data.heldout, self.accelerator)
            check_start(heldout)
        records = self.steps * self.settings.batch
        for learner in self.learners:
            for name in learner.names:
                curve = curves.get(name, [])
                self.results[name] = StudentResult(name, learner, self.steps, records, heldout[name], curve=curve)
                if not saved:
                    self.results[name].add_point(0, heldout[name], None, self.trackers[name])
        return saved.number if saved else 0

    def _first_sync(self) -> None:
        """A backward pass for nothing: in its first one DDP chooses the order in which gradients are summed later."""
        if self.accelerator.num_processes > 1:
            (batch, *_), counts = next(self.data.steps_after())
            features = teacher_features(self.teacher, batch, self.learners)
            for learner in self.learners:
                learner.accumulate(batch, features, counts)
                learner.discard()

    def _log(self, step: int, logged: dict[str, dict]) -> None:
        check_losses(self.learners, step, self.data.epoch_steps)
        for name, values in logged.items():
            numbers = {key: float(value) for key, value in values.items()}
            if self.settings.precision == "fp16" and not math.isfinite(numbers["gradient_norm"]):
                del numbers["gradient_norm"]  # it overflowed, and the step was skipped
            check_values(numbers, name, step, self.data.epoch_steps)
            self.trackers[name].metrics(numbers, step)

    def _evaluate(self, step: int) -> None:
        check_losses(self.learners, step, self.data.epoch_steps)
        heldout = evaluate(self.learners, self.teacher, self.data.heldout, self.accelerator)
        for learner in self.learners:
            for name, loss in learner.mean_losses().items():
                self.results[name].add_point(step, heldout[name], loss, self.trackers[name])

    def _save(self, step: int) -> None:
        """Save where it is time for it, and end where the user asked for it, in all processes or in none."""
        due, asked = self.checkpoints.decide(self.accelerator)
        if due or step == self.steps:
            check_losses(self.learners, step, self.data.epoch_steps)
            check_weights(self.learners, step, self.data.epoch_steps)
            for tracker in self.trackers.values():
                tracker.flush()  # so that no point before the checkpoint can be lost
            state.save(self.checkpoints, step, self.learners, self.results)
        if asked:
            self.accelerator.wait_for_everyone()  # the launcher may kill the main one, still writing, when others end
            raise KeyboardInterrupt


REMEDY = "lower distill.learning_rate, or set distill.precision to bf16 or fp32"


def check_start(heldout: dict[str, Heldout]) -> None:
    """Raise `UserError` where a student's loss is NaN or infinite before anything was trained."""
    for name, before in heldout.items():
        if not math.isfinite(before.loss):
            raise UserError(
                f"student {name}: the held-out loss is {before.loss} before the first step; expected a teacher whose "
                "weights and config give finite numbers: make or get it again, or set precision to fp32"
            )


def check_losses(learners: list[Learner], step: int, epoch_steps: int) -> None:
    """Raise `UserError` where one of the losses up to `step` is NaN or infinite."""
    for learner in learners:
        since = torch.stack(learner.losses).tolist() if learner.losses else []
        for at, losses in enumerate(since, start=step - len(since) + 1):
            for name, loss in zip(learner.names, losses, strict=True):
                if not math.isfinite(loss):
                    raise _diverged(f"student {name}: the loss is {loss}", at, epoch_steps)


def check_values(values: dict[str, float], name: str, step: int, epoch_steps: int) -> None:
    """Raise `UserError` where one of what a step's curves show of a student is NaN or infinite."""
    for key, number in values.items():
        if not math.isfinite(number):
            raise _diverged(f"student {name}: the {key.replace('_', ' ')} is {number}", step, epoch_steps)


def check_weights(learners: list[Learner], step: int, epoch_steps: int) -> None:
    """Raise `UserError` where a weight is NaN or infinite, so that no checkpoint holds such."""
    for learner in learners:
        if not torch.stack([weight.isfinite().all() for weight in learner.supernet.parameters()]).all():
            raise _diverged(f"student {', '.join(learner.names)}: a weight is NaN or infinite", step, epoch_steps)


def _diverged(what: str, step: int, epoch_steps: int) -> UserError:
    epoch, batch = divmod(step - 1, epoch_steps)
    return UserError(f"{what} at step {step} (epoch {epoch + 1}, batch {batch + 1}); {REMEDY}")
