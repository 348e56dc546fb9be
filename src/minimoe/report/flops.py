"""Count floating-point operations (FLOPs) of matrix products; one multiply-add is two of them.

Models are built on the `meta` device, whose tensors have shapes and no values: counting reads no weights and computes
nothing. Only matrix products count. Softmax, LayerNorm, dropout and other element-wise work do not.
"""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode
from transformers import AutoModel, PreTrainedModel

import minimoe.models  # noqa: F401  (makes the student classes known to AutoModel)
from minimoe.models.kinds import inputs_for

# products of two activations; all others multiply by a weight
BETWEEN_ACTIVATIONS = {torch.ops.aten.bmm, torch.ops.aten.baddbmm}


class Forward(NamedTuple):
    """FLOPs of an encoder's forward pass over one sequence."""

    linear: int  # of linear layers, experts and routers included
    attention: int  # of Q Kᵀ and P V


def counter() -> FlopCounterMode:
    """Count the FLOPs in a `with` block, the experts' grouped products included, which PyTorch's counter leaves out.

    A row is a token at one of its experts, so a grouped product costs what a dense one does: of rows [P, I] with
    weights [E, I, O], and of the weights' gradient, which is [I, P] with [P, O], 2·P·I·O. The second operator is the
    one of transformers' that `models.experts` falls back to; its backward pass is two such products at once.
    """
    ours, counts = torch.ops.transformers, {torch.ops.aten._grouped_mm: _grouped}
    counts[ours.grouped_mm_fallback] = _grouped
    if hasattr(ours, "grouped_mm_fallback_backward"):  # in transformers 5.17 it consists of ordinary products
        counts[ours.grouped_mm_fallback_backward] = lambda *shapes, **more: 2 * _grouped(*shapes, **more)
    return FlopCounterMode(display=False, custom_mapping=counts)


def _grouped(left, right, *_unused, **_more) -> int:
    return 2 * left[0] * left[1] * right[-1]


def encoder(config) -> PreTrainedModel:
    """The encoder of this config without weights and pooler.

    In bf16, because the grouped product has a meta form in this precision alone; the count is the same in all.
    """
    with torch.device("meta"):
        model = AutoModel.from_config(config).to(torch.bfloat16)
    model.pooler = None
    return model.eval()


def sequence(length: int) -> dict[str, Tensor]:
    """Ids [1, T] and mask [1, 1, T, T] of one sequence: a mask of two dimensions would have its values looked at."""
    ids = torch.zeros(1, length, dtype=torch.int64, device="meta")
    return {"input_ids": ids, "attention_mask": torch.ones(1, 1, length, length, dtype=torch.bool, device="meta")}


def forward(model: PreTrainedModel, length: int) -> Forward:
    """Of one sequence of `length` tokens through an encoder that `encoder` made."""
    with torch.no_grad(), counter() as counted:
        model(**inputs_for(model, sequence(length)))
    counts = counted.get_flop_counts()["Global"]
    attention = sum(count for product, count in counts.items() if product in BETWEEN_ACTIVATIONS)
    return Forward(counted.get_total_flops() - attention, attention)
