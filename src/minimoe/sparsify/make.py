"""A sparsified teacher, made: importances on a part of the records, the encoder in their order, the folder."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm
from transformers import AutoModel, AutoTokenizer

from minimoe.corpus.masking import MaskedBatches
from minimoe.errors import UserError
from minimoe.sparsify.folder import write_sparsified
from minimoe.sparsify.importance import load_masked_lm, measure
from minimoe.sparsify.reorder import reorder


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
) -> int:
    """Write the sparsified form of the folder `teacher` to `out`; returns how many records were read.

    Args:
        teacher: a masked language model with its tokenizer, of a kind that `load_masked_lm` takes.
        records: a `Records`, of which `share` is read, evenly spread, `batch` at once.
        sparsities: those of the folder's map, in %.
        seed: of the masks, and of the pooler where the teacher has none.
        device: cpu or cuda.
        tracker: gets each batch's loss.
    """
    chosen = evenly(len(records), share)
    model = load_masked_lm(teacher).to(device)
    tokens = AutoTokenizer.from_pretrained(teacher, local_files_only=True)
    if tokens.mask_token_id is None:
        raise UserError(f"{teacher}: its tokenizer has no mask token; choose a masked language model")
    masked = MaskedBatches(records, tokens, seed)
    importance = measure(model, _batches(masked, chosen, batch), tracker)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        encoder = AutoModel.from_pretrained(teacher, dtype=torch.float32, local_files_only=True)
    write_sparsified(teacher, out, importance, reorder(encoder, importance), sparsities)
    return len(chosen)


def evenly(count: int, share: float) -> np.ndarray:
    """Numbers of `share` of `count` records, evenly spaced; `UserError` where that is none."""
    chosen = round(share * count)
    if not chosen:
        raise UserError(f"sparsify.share: {share:g} of the {count} records is none; raise it, or make more records")
    return (2 * np.arange(chosen) + 1) * count // (2 * chosen)


def _batches(masked: MaskedBatches, chosen: np.ndarray, batch: int) -> Iterator[dict]:
    """The chosen records, `batch` at once, with a progress bar."""
    starts = range(0, len(chosen), batch)
    for start in tqdm(starts, desc="sparsify", unit="batch", leave=False):
        yield masked(chosen[start : start + batch])
