"""Pretraining that goes on after a kill, exactly.

The Trainer can begin at a later step, with the records that come there. The rest of its state it would keep in
pickles, so it is kept here: weights, AdamW's moments, rates, the losses so far. Masks depend on a batch's number, and
without dropout nothing else is drawn.
"""

from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from torch import Tensor
from transformers import TrainerCallback
from transformers.trainer_callback import TrainerState

from minimoe.records.masking import MaskedBatches
from minimoe.resume.checkpoints import Checkpoints


class CountedBatches(MaskedBatches):
    """Masked batches in a row: the next one's number is how many there were."""

    drawn = 0

    def __call__(self, rows: list[int]) -> dict[str, Tensor]:
        """The next batch, of these records."""
        self.drawn += 1
        return self.batch(rows, self.drawn - 1)


class Keep(TrainerCallback):
    """Saves the state of a Trainer between two steps, and restores it.

    Args:
        checkpoints: where it is kept.
        batches: what the trainer's data loader draws from.
    """

    def __init__(self, checkpoints: Checkpoints, batches: CountedBatches):
        self.checkpoints, self.batches, self.saved = checkpoints, batches, checkpoints.load()

    def train(self, trainer) -> float:
        """Train from the newest state; returns the mean loss over all steps."""
        self.trainer = trainer
        trainer.add_callback(self)
        with self.checkpoints.interruptible(), self._state_file() as folder:
            return trainer.train(resume_from_checkpoint=folder).training_loss

    @contextmanager
    def _state_file(self):
        """The folder in which the Trainer looks for the step to begin at, where that is not the first."""
        if not self.saved:
            yield None
            return
        self.batches.drawn = self.saved.number
        with TemporaryDirectory() as folder:
            TrainerState(**self.saved.values["state"]).save_to_json(str(Path(folder, "trainer_state.json")))
            yield folder

    @torch.no_grad()
    def on_train_begin(self, args, state, control, **kwargs):
        """Restore the rest, now that the optimizer is there."""
        if not self.saved:
            return
        trainer, values, moments = self.trainer, self.saved.values, {}
        for name, weight in trainer.model.named_parameters():
            weight.copy_(self.saved.tensors[f"weight/{name}"])
        for key, tensor in self.saved.tensors.items():
            if key.startswith("adam/"):
                _, number, name = key.split("/")
                moments.setdefault(int(number), {})[name] = tensor.clone()
        groups = trainer.optimizer.state_dict()["param_groups"]
        groups = [group | {"lr": rate} for group, rate in zip(groups, values["rates"], strict=True)]
        trainer.optimizer.load_state_dict({"state": moments, "param_groups": groups})
        trainer.lr_scheduler.load_state_dict(values["schedule"])
        trainer._tr_loss += self.saved.tensors["loss"].to(trainer._tr_loss.device)
        trainer._total_loss_scalar, trainer._globalstep_last_logged = values["losses"]
        trainer._initial_global_step = 0

    def on_step_begin(self, args, state, control, **kwargs):
        """Save the state after the step before, where it is time, and end where the user asked for it."""
        if self.checkpoints.due() and state.global_step:
            self._save(state)
        self.checkpoints.stop()

    def _save(self, state: TrainerState) -> None:
        trainer = self.trainer
        optimizer = trainer.optimizer.state_dict()
        tensors = {f"weight/{name}": weight for name, weight in trainer.model.named_parameters()}
        for number, moments in optimizer["state"].items():
            tensors |= {f"adam/{number}/{name}": moment for name, moment in moments.items()}
        if not torch.stack([tensor.isfinite().all() for tensor in tensors.values()]).all():
            return  # `Watch` will tell; the checkpoint before stays
        tensors["loss"] = trainer._tr_loss
        values = {
            "state": asdict(state) | {"log_history": []},
            "rates": [group["lr"] for group in optimizer["param_groups"]],
            "schedule": trainer.lr_scheduler.state_dict(),
            "losses": [trainer._total_loss_scalar, trainer._globalstep_last_logged],
        }
        self.checkpoints.save(state.global_step, tensors, values)
