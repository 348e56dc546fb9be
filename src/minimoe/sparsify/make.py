"""A sparsified teacher, made: importances on a part of the records, the encoder in their order, the folder.

Several processes share the batches out and add up what they measured; the main one does the rest.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from accelerate import Accelerator
from tqdm import tqdm
from transformers import AutoModel

from minimoe.checkpoints import Checkpoints, NoCheckpoints
from minimoe.corpus.masking import MaskedBatches
from minimoe.corpus.records import check_fits
from minimoe.errors import UserError
from minimoe.models.save import positions
from minimoe.pretrained import load_encoder, load_tokenizer
from minimoe.sparsify.folder import write_sparsified
from minimoe.sparsify.importance import load_masked_lm, measure
from minimoe.sparsify.reorder import reorder
from minimoe.sparsify.schedule import Importance


def sparsify(
    teacher: str | Path,
    records,
    out: str | Path,
    *,
    share: float,
    batch: int,
    sparsities: list[int],
    seed: int,
    device: str,
    tracker,
    checkpoints: Checkpoints | None = None,
) -> int:
    """Write the sparsified form of the folder `teacher` to `out`; returns how many records were read.

    Args:
        teacher: a masked language model with its tokenizer, of a kind that `load_masked_lm` takes.
        records: a `Records`, of which `share` is read, evenly spread, `batch` at once.
        sparsities: those of the folder's map, in %.
        seed: of the masks, and of the pooler where the teacher has none.
        device: cpu or cuda.
        tracker: gets each batch's loss.
        checkpoints: of the importances so far; default: none are kept.
    """
    chosen = evenly(len(records), share)
    accelerator = Accelerator(cpu=device == "cpu", mixed_precision="no")
    model = load_masked_lm(teacher).to(accelerator.device)
    check_fits(records.manifest, positions(model.config), model.config.vocab_size, teacher)
    tokens = load_tokenizer(teacher)
    if tokens.mask_token_id is None:
        raise UserError(f"{teacher}: its tokenizer has no mask token; choose a masked language model")
    masked = MaskedBatches(records, tokens, seed)
    importance = _measure(model, masked, chosen, batch, tracker, checkpoints or NoCheckpoints(), accelerator)
    if not accelerator.is_main_process:
        return len(chosen)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        encoder = load_encoder(AutoModel, teacher, dtype=torch.float32)
    write_sparsified(teacher, out, importance, reorder(encoder, importance), sparsities)
    return len(chosen)


def _measure(
    model, masked: MaskedBatches, chosen, batch: int, tracker, checkpoints: Checkpoints, accelerator
) -> Importance:
    """The importances, from the batch on that `checkpoints` have come to, those of this process."""
    if accelerator.num_processes > 1:
        checkpoints = checkpoints.part(f"{accelerator.process_index}-of-{accelerator.num_processes}")
    done, sums = 0, None
    if saved := checkpoints.load():
        done = saved.number
        masked.generator.set_state(saved.tensors["generator"])
        sums = Importance(*(saved.tensors[name].to(model.device) for name in Importance._fields))

    def keep(done: int, sums: Importance) -> None:
        if checkpoints.due():
            checkpoints.save(done, {**sums._asdict(), "generator": masked.generator.get_state()}, {})
        checkpoints.stop()

    with checkpoints.interruptible():
        batches = _batches(masked, chosen, batch, done, accelerator)
        return measure(model, batches, tracker, done=done, sums=sums, keep=keep, over_processes=accelerator.reduce)


def evenly(count: int, share: float) -> np.ndarray:
    """Numbers of `share` of `count` records, evenly spaced; `UserError` where that is none."""
    chosen = round(share * count)
    if not chosen:
        raise UserError(f"sparsify.share: {share:g} of the {count} records is none; raise it, or make more records")
    return (2 * np.arange(chosen) + 1) * count // (2 * chosen)


def _batches(masked: MaskedBatches, chosen: np.ndarray, batch: int, done: int, accelerator) -> Iterator[dict]:
    """Of the chosen records, `batch` at once, the batches of this process without its first `done`; a progress bar.

    All batches are made on every process: their masks come from one row of draws.
    """
    processes, own = accelerator.num_processes, accelerator.process_index
    starts = range(0, len(chosen), batch)
    first = (done - 1) * processes + own + 1 if done else 0
    bar = tqdm(
        starts[first:], initial=first, total=len(starts), desc="sparsify", unit="batch", leave=False, disable=own > 0
    )
    for number, start in enumerate(bar, first):
        made = masked(chosen[start : start + batch])
        if number % processes == own:
            yield made
