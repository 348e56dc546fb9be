"""Training whose loss is no number any more ends at once, says where it began, and keeps the checkpoint before."""

import math

import torch
from torch import Tensor

from minimoe.distill.heldout import Heldout
from minimoe.distill.learner import Learner
from minimoe.system.errors import UserError

UNSOUND = "expected a teacher whose weights and config give numbers: make or get it again, or set precision to fp32"
REMEDY = "lower distill.learning_rate, or set distill.precision to bf16 or fp32"


def check_start(measured: dict[str, Heldout]) -> None:
    """Raise `UserError` where the loss of a student, by its name, is no number before anything was trained."""
    for name, before in measured.items():
        if not math.isfinite(before.loss):
            raise UserError(f"student {name}: the held-out loss is {before.loss} before the first step; {UNSOUND}")


def check_losses(learners: list[Learner], step: int, batches: int) -> None:
    """Raise `UserError` where one of the losses up to `step` is no number; an epoch has so many `batches`."""
    for learner in learners:
        since = torch.stack(learner.losses).tolist() if learner.losses else []
        for at, losses in enumerate(since, start=step - len(since) + 1):
            for name, loss in zip(learner.names, losses, strict=True):
                if not math.isfinite(loss):
                    raise _error(f"student {name}: the loss is {loss}", at, batches)


def check_values(values: dict[str, Tensor | float], name: str, step: int, batches: int) -> dict[str, float]:
    """What a step's curves show of a student, as numbers; `UserError` where one is none."""
    numbers = {key: float(value) for key, value in values.items()}
    for key, number in numbers.items():
        if not math.isfinite(number):
            raise _error(f"student {name}: the {key.replace('_', ' ')} is {number}", step, batches)
    return numbers


def check_weights(learners: list[Learner], step: int, batches: int) -> None:
    """Raise `UserError` where a weight is no number, so that no checkpoint holds such."""
    for learner in learners:
        if not torch.stack([weight.isfinite().all() for weight in learner.student.parameters()]).all():
            raise _error(f"student {', '.join(learner.names)}: a weight is no number", step, batches)


def _error(what: str, step: int, batches: int) -> UserError:
    epoch, batch = divmod(step - 1, batches)
    return UserError(f"{what} at step {step} (epoch {epoch + 1}, batch {batch + 1}); {REMEDY}")
