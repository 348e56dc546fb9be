"""Make a sparsified teacher: measure importances on part of the records, reorder the encoder, write the folder.

Several processes measure a share of the batches each; the main one adds up, reorders and writes.
"""

from pathlib import Path

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.utils import broadcast_object_list
from tqdm import tqdm
from transformers import AutoModel

from minimoe.hub.loading import load_encoder
from minimoe.models.shapes import positions
from minimoe.models.sparsified import write_sparsified
from minimoe.models.sparsity import Importance
from minimoe.records.dataset import check_fits
from minimoe.resume.checkpoints import Checkpoints, NoCheckpoints
from minimoe.sparsify.criteria import CRITERIA, MaskedLM, States
from minimoe.sparsify.importance import measure
from minimoe.sparsify.reorder import reorder
from minimoe.system.errors import UserError
from minimoe.training.optim import deterministic


def sparsify(
    teacher: str | Path,
    records,
    out: str | Path,
    *,
    share: float,
    batch: int,
    criterion: str,
    sparsities: list[int],
    seed: int,
    device: str,
    tracker,
    checkpoints: Checkpoints | None = None,
) -> int:
    """Write the sparsified form of the folder `teacher` to `out`; returns how many records were read.

    Args:
        teacher: an encoder with its tokenizer, of a kind in `criteria.HEADS`.
        records: a `Records`; `share` of those to train on is read, evenly spaced, `batch` at once.
        criterion: what importance is measured by, of `criteria.CRITERIA`.
        sparsities: those of the folder's map, in %.
        seed: of the criterion's draws.
        device: cpu or cuda.
        tracker: gets each batch's value of the criterion.
        checkpoints: of the sums so far; default: none.
    """
    chosen = evenly(len(records.training), share)
    accelerator = Accelerator(cpu=device == "cpu", mixed_precision="no")
    deterministic(accelerator.device)
    measured = CRITERIA[criterion](teacher, records, seed)
    config = measured.model.to(accelerator.device).config
    check_fits(records.manifest, positions(config), config.vocab_size, teacher)
    importance = _measure(measured, chosen, batch, tracker, checkpoints or NoCheckpoints(), accelerator)
    if not accelerator.is_main_process:
        return len(chosen)
    encoder = load_encoder(AutoModel, teacher, dtype=torch.float32)
    write_sparsified(teacher, out, importance, reorder(encoder, importance), sparsities)
    return len(chosen)


def _measure(by: MaskedLM | States, chosen, batch: int, tracker, checkpoints: Checkpoints, accelerator) -> Importance:
    """The importances; continues from the last checkpoint, which any number of processes may have written."""
    total, processes = -(-len(chosen) // batch), accelerator.num_processes
    saved = checkpoints.load() if accelerator.is_main_process else None
    (done,) = broadcast_object_list([saved.number if saved else 0])
    sums = Importance(*(saved.tensors[name].to(by.model.device) for name in Importance._fields)) if saved else None

    def keep(own: int, sums: Importance) -> None:
        """Save the sums over all processes, each of which has measured `own` batches."""
        measured = done + own * processes
        if measured > total:  # the last batches may not suffice for all processes
            return
        save, stop = checkpoints.decide(accelerator)
        if save:
            whole = Importance(*(accelerator.reduce(value, "sum") for value in sums))
            if accelerator.is_main_process:
                checkpoints.save(measured, whole._asdict(), {})
        if stop:
            accelerator.wait_for_everyone()
            raise KeyboardInterrupt

    with checkpoints.interruptible():
        own = range(done + accelerator.process_index, total, processes)
        bar = tqdm(own, initial=done // processes, total=-(-total // processes), desc="sparsify", unit="batch",
                   leave=False, disable=not accelerator.is_main_process)  # fmt: skip
        batches = (by.batch(chosen[number * batch : (number + 1) * batch], number) for number in bar)
        where = {"done": done, "sums": sums, "keep": keep, "accelerator": accelerator}
        return measure(by.model, batches, tracker, criterion=by.value, **where)


def evenly(count: int, share: float) -> np.ndarray:
    """Numbers of `share` of `count` records, evenly spaced; `UserError` where that is none."""
    chosen = round(share * count)
    if not chosen:
        raise UserError(f"sparsify.share: {share:g} of the {count} records is none; raise it, or make more records")
    return (2 * np.arange(chosen) + 1) * count // (2 * chosen)
