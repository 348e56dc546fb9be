"""What the importance of a teacher's elements is measured by.

masked_lm   the masked language modeling loss, as published (MiniDisc, arXiv 2205.14570)
states      the product of the last hidden states h with random directions v. The square of its derivative by the mask m
            of an element is, in the mean over v, |∂h/∂m|²: how far the states move when the element is left out

Differs, in the second, because a sentence encoder has no head for the first.
"""

from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional
from transformers import AutoModel, AutoModelForMaskedLM, PreTrainedModel
from transformers.utils import logging

from minimoe.hub.loading import load_config, load_encoder, load_model, load_tokenizer
from minimoe.records.masking import MaskedBatches
from minimoe.system.errors import UserError
from minimoe.training.draws import mixed

logging.disable_progress_bar()  # of loading weights
logging.set_verbosity_error()  # missing weights are reported by `load_masked_lm`
# the module of the language model head
HEADS = {"bert": "cls", "camembert": "lm_head", "roberta": "lm_head", "xlm-roberta": "lm_head"}
EXACT = {"dtype": torch.float32, "attn_implementation": "eager"}  # kernels for long sequences differ from run to run


class MaskedLM:
    """A masked language model and batches for it.

    Args:
        teacher: its folder, with its tokenizer; `UserError` where it has no mask token.
        records: a `Records`.
        seed: of the masks.
    """

    def __init__(self, teacher: str | Path, records, seed: int):
        self.model = load_masked_lm(teacher)
        tokens = load_tokenizer(teacher)
        if tokens.mask_token_id is None:
            raise UserError(f"{teacher}: its tokenizer has no mask token; {OTHERWISE}")
        self.batch = MaskedBatches(records, tokens, seed).batch
        self.value = masked_lm_loss


class States:
    """An encoder, with or without a head, and batches for it; arguments as of `MaskedLM`."""

    def __init__(self, teacher: str | Path, records, seed: int):
        _check_kind(teacher)
        self.model = load_encoder(AutoModel, teacher, **EXACT)
        self.records, self.seed = records, seed
        self.value = state_product

    def batch(self, rows, number: int) -> dict[str, Tensor]:
        """The tensors of `Records.batch` of these records, and `directions` [B, T, D], drawn by seed and number."""
        batch = self.records.batch(rows)
        shape = *batch["input_ids"].shape, self.model.config.hidden_size
        generator = torch.Generator().manual_seed(mixed(self.seed, number))
        return {**batch, "directions": torch.randn(shape, generator=generator)}


CRITERIA = {"masked_lm": MaskedLM, "states": States}
OTHERWISE = "choose a masked language model, or set sparsify.criterion: states"


def masked_lm_loss(model: PreTrainedModel, labels: Tensor, **batch: Tensor) -> Tensor:
    """Mean cross-entropy in nats; logits are computed at the predicted positions only.

    Args:
        model: of a kind in `HEADS`.
        labels: [B, T]; one below 0 is not predicted.
        batch: its input_ids, attention_mask and token_type_ids [B, T].
    """
    predicted = labels >= 0
    states = model.base_model(**batch).last_hidden_state[predicted]
    return functional.cross_entropy(model.get_submodule(HEADS[model.config.model_type])(states), labels[predicted])


def state_product(model: PreTrainedModel, directions: Tensor, **batch: Tensor) -> Tensor:
    """Mean over real tokens of the products of last hidden states and `directions` [B, T, D]."""
    real = batch["attention_mask"] > 0
    return (model.base_model(**batch).last_hidden_state[real] * directions[real]).sum(-1).mean()


def load_masked_lm(folder: str | Path) -> PreTrainedModel:
    """The masked language model in `folder`, in fp32.

    Raises `UserError` where it cannot be loaded, is of a kind without a row in `HEADS`, or lacks weights, which
    transformers would initialise at random.
    """
    _check_kind(folder)
    model, missing = load_model(AutoModelForMaskedLM, folder, **EXACT)
    if missing:
        raise UserError(
            f"{folder}: expected a teacher with its masked language modeling head, but {len(missing)} weights are "
            f"missing, {missing[0]} among them; {OTHERWISE}"
        )
    return model


def _check_kind(folder: str | Path) -> None:
    kind = load_config(folder).model_type
    if kind not in HEADS:
        raise UserError(f"{folder}: expected a teacher of one of the kinds {', '.join(HEADS)}; got {kind!r}")
