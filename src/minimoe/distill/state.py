"""Save and load the state of a round between two steps, so that a round that was interrupted ends with the same bytes.

Of every learner: weights, AdamW's moments, the loss scale of fp16, and the losses since the last point of the curve. Of
every student: its curve. The order of the records and all random draws are functions of the step, so a round may be
resumed by any number of processes.
"""

from dataclasses import asdict

import torch
from accelerate.utils import broadcast_object_list
from torch import Tensor

from minimoe.distill.heldout import Heldout, StudentResult
from minimoe.distill.learner import Learner
from minimoe.resume.checkpoints import Checkpoint, Checkpoints, read
from minimoe.system.errors import UserError
from minimoe.training.state import load_state_tensors, state_tensors


def save(checkpoints: Checkpoints, step: int, learners: list[Learner], results: dict[str, StudentResult]) -> None:
    """Save the state after `step`. It is the same in all processes, and the main one writes it."""
    if not learners[0].accelerator.is_main_process:
        return
    tensors: dict[str, Tensor] = {}
    for number, learner in enumerate(learners):
        tensors |= {f"{number}/{name}": tensor for name, tensor in _tensors(learner).items()}
    values = {
        "scalers": [learner.scaler.state_dict() for learner in learners],
        "curves": {name: result.curve for name, result in results.items()},
        "heldout": {name: asdict(result.heldout) for name, result in results.items()},
    }
    checkpoints.save(step, tensors, values)


def newest(checkpoints: Checkpoints, accelerator) -> Checkpoint | None:
    """The newest checkpoint that the main process finds, the same in all processes; None to start from the beginning.

    Raises:
        UserError: it is on another machine's disk.
    """
    found = [checkpoints.newest() if accelerator.is_main_process else None]
    (path,) = broadcast_object_list(found) if accelerator.num_processes > 1 else found
    if path and not path.is_file():
        raise UserError(f"{path}: not on this machine; expected a folder work/ that all machines of a round share")
    return read(path) if path else None


def restore(saved: Checkpoint, learners: list[Learner]) -> tuple[dict[str, list], dict[str, Heldout]]:
    """Set learners that have just been made to a saved state; returns curves and held-out values by student."""
    for number, learner in enumerate(learners):
        prefix = f"{number}/"
        own = {name.removeprefix(prefix): t for name, t in saved.tensors.items() if name.startswith(prefix)}
        _restore(learner, saved.number, own, saved.values["scalers"][number])
    return saved.values["curves"], {name: Heldout(**last) for name, last in saved.values["heldout"].items()}


def _tensors(learner: Learner) -> dict[str, Tensor]:
    tensors = state_tensors(learner.supernet, learner.optimizer)
    if learner.losses:
        tensors["losses"] = torch.stack(learner.losses)
    return tensors


def _restore(learner: Learner, step: int, tensors: dict[str, Tensor], scaler: dict) -> None:
    load_state_tensors(learner.supernet, learner.optimizer, tensors)
    learner.scaler.load_state_dict(scaler)
    learner.losses = list(tensors["losses"].to(learner.accelerator.device)) if "losses" in tensors else []
    learner.step = step
