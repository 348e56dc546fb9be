"""Make a sparsified teacher: measure importances on part of the records, reorder the encoder, write the folder.

A teacher without a masked language modeling head is given one first. Several processes measure a share of the batches
each; the main one adds up, reorders and writes.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.utils import broadcast_object_list
from tqdm import tqdm
from transformers import AutoModel

from minimoe.hub.loading import load_encoder, load_tokenizer
from minimoe.models.shapes import positions
from minimoe.models.sparsified import write_sparsified
from minimoe.models.sparsity import Importance
from minimoe.records.dataset import check_fits
from minimoe.records.masking import MaskedBatches
from minimoe.resume.checkpoints import Checkpoints, NoCheckpoints
from minimoe.sparsify.head import own_weights, share_weights, train_head
from minimoe.sparsify.importance import load_masked_lm, measure
from minimoe.sparsify.reorder import reorder
from minimoe.system.errors import UserError
from minimoe.training.optim import deterministic

HEAD = "lm_head."  # begins the names, in a checkpoint, of the weights of a head that was trained here


class Measured(NamedTuple):
    """What importances were measured on."""

    records: int
    head_loss: float | None  # of the head that was trained for it, nats a masked token; None: the teacher has its own


def sparsify(
    teacher: str | Path,
    records,
    out: str | Path,
    *,
    share: float,
    batch: int,
    head_steps: int,
    sparsities: list[int],
    seed: int,
    device: str,
    tracker,
    checkpoints: Checkpoints | None = None,
) -> Measured:
    """Write the sparsified form of the folder `teacher` to `out`.

    Args:
        teacher: an encoder with its tokenizer, of a kind that `load_masked_lm` takes.
        records: a `Records`; `share` of those to train on is read, evenly spaced, `batch` at once.
        head_steps: batches that a masked language modeling head is trained on where the teacher has none.
        sparsities: those of the folder's map, in %.
        seed: of the masked tokens, and of that head.
        device: cpu or cuda.
        tracker: gets each batch's loss.
        checkpoints: of the sums so far, and of that head; default: none.
    """
    chosen = evenly(len(records.training), share)
    accelerator = Accelerator(cpu=device == "cpu", mixed_precision="no")
    deterministic(accelerator.device)
    model, has_head = load_masked_lm(teacher, seed)
    model.to(accelerator.device)
    check_fits(records.manifest, positions(model.config), model.config.vocab_size, teacher)
    tokens = load_tokenizer(teacher)
    if tokens.mask_token_id is None:
        raise UserError(f"{teacher}: its tokenizer has no mask token; choose a masked language model")
    masked = MaskedBatches(records, tokens, seed)
    measuring = _Measuring(model, masked, chosen, batch, tracker, checkpoints or NoCheckpoints(), accelerator)
    with measuring.checkpoints.interruptible():
        head_loss = None if has_head else measuring.give_head(head_steps)
        importance = measuring.run()
    if accelerator.is_main_process:
        encoder = load_encoder(AutoModel, teacher, dtype=torch.float32)
        write_sparsified(teacher, out, importance, reorder(encoder, importance), sparsities)
    return Measured(len(chosen), head_loss)


class _Measuring:
    """Goes on from the last checkpoint, which any number of processes may have written."""

    def __init__(
        self, model, masked: MaskedBatches, chosen, batch: int, tracker, checkpoints: Checkpoints, accelerator
    ):
        self.model, self.masked, self.chosen, self.batch = model, masked, chosen, batch
        self.tracker, self.checkpoints, self.accelerator = tracker, checkpoints, accelerator
        self.total = -(-len(chosen) // batch)
        self.saved = checkpoints.load() if accelerator.is_main_process else None
        (self.done,) = broadcast_object_list([self.saved.number if self.saved else 0])
        self.head, self.values = {}, {}  # of a head that was trained here: its weights; its loss

    def give_head(self, steps: int) -> float:
        """Train the model's head, or take it from the checkpoint; returns its loss."""
        weights = own_weights(self.model)
        self.head = {f"{HEAD}{name}": weight for name, weight in weights.items()}
        if self.done:
            if self.saved:
                for name, weight in self.head.items():
                    weight.data.copy_(self.saved.tensors[name])
            share_weights(weights.values(), self.accelerator)
            (self.values,) = broadcast_object_list([self.saved.values if self.saved else None])
        else:
            batches = {"rows": self.chosen, "batch": self.batch, "steps": steps, "first": self.total}
            processes = {"tracker": self.tracker, "checkpoints": self.checkpoints, "accelerator": self.accelerator}
            self.values = {"head_loss": train_head(self.model, self.masked, **batches, **processes)}
        return self.values["head_loss"]

    def run(self) -> Importance:
        """Measure the batches that are left; returns the importances."""
        sums, processes = None, self.accelerator.num_processes
        if self.saved:
            sums = Importance(*(self.saved.tensors[name].to(self.model.device) for name in Importance._fields))
        own = range(self.done + self.accelerator.process_index, self.total, processes)
        bar = tqdm(own, initial=self.done // processes, total=-(-self.total // processes), desc="sparsify",
                   unit="batch", leave=False, disable=not self.accelerator.is_main_process)  # fmt: skip
        batches = (self.masked.batch(self._rows(number), number) for number in bar)
        where = {"done": self.done, "sums": sums, "keep": self._keep, "accelerator": self.accelerator}
        return measure(self.model, batches, self.tracker, **where)

    def _rows(self, number: int) -> np.ndarray:
        return self.chosen[number * self.batch : (number + 1) * self.batch]

    def _keep(self, own: int, sums: Importance) -> None:
        """Save the sums over all processes, each of which has measured `own` batches."""
        measured = self.done + own * self.accelerator.num_processes
        if measured > self.total:  # the last batches may not suffice for all processes
            return
        save, stop = self.checkpoints.decide(self.accelerator)
        if save:
            whole = Importance(*(self.accelerator.reduce(value, "sum") for value in sums))
            if self.accelerator.is_main_process:
                self.checkpoints.save(measured, whole._asdict() | self.head, self.values)
        if stop:
            self.accelerator.wait_for_everyone()
            raise KeyboardInterrupt


def evenly(count: int, share: float) -> np.ndarray:
    """Numbers of `share` of `count` records, evenly spaced; `UserError` where that is none."""
    chosen = round(share * count)
    if not chosen:
        raise UserError(f"sparsify.share: {share:g} of the {count} records is none; raise it, or make more records")
    return (2 * np.arange(chosen) + 1) * count // (2 * chosen)
