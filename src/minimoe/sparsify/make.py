"""A sparsified teacher, made: importances on a part of the records, the encoder in their order, the folder."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
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
    model = load_masked_lm(teacher).to(device)
    check_fits(records.manifest, positions(model.config), model.config.vocab_size, teacher)
    tokens = load_tokenizer(teacher)
    if tokens.mask_token_id is None:
        raise UserError(f"{teacher}: its tokenizer has no mask token; choose a masked language model")
    masked = MaskedBatches(records, tokens, seed)
    importance = _measure(model, masked, chosen, batch, tracker, checkpoints or NoCheckpoints())
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        encoder = load_encoder(AutoModel, teacher, dtype=torch.float32)
    write_sparsified(teacher, out, importance, reorder(encoder, importance), sparsities)
    return len(chosen)


def _measure(model, masked: MaskedBatches, chosen, batch: int, tracker, checkpoints: Checkpoints) -> Importance:
    """The importances, from the batch on that `checkpoints` have come to."""
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
        return measure(model, _batches(masked, chosen, batch, done), tracker, done=done, sums=sums, keep=keep)


def evenly(count: int, share: float) -> np.ndarray:
    """Numbers of `share` of `count` records, evenly spaced; `UserError` where that is none."""
    chosen = round(share * count)
    if not chosen:
        raise UserError(f"sparsify.share: {share:g} of the {count} records is none; raise it, or make more records")
    return (2 * np.arange(chosen) + 1) * count // (2 * chosen)


def _batches(masked: MaskedBatches, chosen: np.ndarray, batch: int, done: int) -> Iterator[dict]:
    """The chosen records, `batch` at once, without the first `done` batches; with a progress bar."""
    starts = range(0, len(chosen), batch)
    for start in tqdm(starts[done:], initial=done, total=len(starts), desc="sparsify", unit="batch", leave=False):
        yield masked(chosen[start : start + batch])
