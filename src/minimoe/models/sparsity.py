"""Structured sparsity: how many heads, neurons and hidden dimensions to remove, and the config that is left.

A sparsity of s % removes s % of the weights of every matrix by removing the same share of its rows and of its columns,
q = 100 − round(100·√(1 − s/100)) %. Hidden dimensions are removed in all layers alike; of heads and neurons, the least
important ones of the whole model, whichever layers they are in (MiniDisc, arXiv 2205.14570). Widths are then rounded to
multiples of 8. Only the importances are needed: another sparsity takes no other pass over the records.
"""

import math
from typing import NamedTuple

from torch import Tensor

from minimoe.models import MiniMoEConfig
from minimoe.system.errors import UserError

GRAIN = 8  # widths are made multiples of this
EMBEDDINGS = "-1"  # their key among the layers


class Importance(NamedTuple):
    """Importance of each element, in the teacher's own order: at least 0, with rows of L2 norm 1."""

    head: Tensor  # [L, H]
    neuron: Tensor  # [L, N]
    hidden: Tensor  # [D]


def removed(importance: Importance, sparsity: int) -> dict[str, dict[str, int]]:
    """Elements removed at `sparsity` (0 to 99 %), of every kind and layer, in the published form.

    Kinds are hidden, head and neuron; layers are numbers from 0, as text, and "-1" for the embeddings. Layers that
    lose no head, or no neuron, are left out there.
    """
    percent = 100 - round(100 * math.sqrt(1 - sparsity / 100))
    layers = len(importance.head)
    count = round(percent / 100 * len(importance.hidden))
    return {
        "hidden": {EMBEDDINGS: count, **{str(layer): count for layer in range(layers)}},
        "head": _least(importance.head, percent),
        "neuron": _least(importance.neuron, percent),
    }


def _least(importance: Tensor, percent: int) -> dict[str, int]:
    """How many of the least important elements [L, n] lie in each layer; of equal ones the lower layer's go first."""
    layers, elements = importance.shape
    least = importance.flatten().argsort(stable=True)[: round(percent / 100 * layers * elements)]
    counts = (least // elements).bincount(minlength=layers).tolist()
    return {str(layer): count for layer, count in enumerate(counts) if count}


def cut_config(config: MiniMoEConfig, removed: dict[str, dict[str, int]], sparsity: int | str) -> MiniMoEConfig:
    """The config of the reordered model after so many elements of every kind and layer are `removed`.

    Raises `UserError`, which names the `sparsity`, where no hidden dimension is left.
    """
    layers, head_size = [str(layer) for layer in range(config.num_hidden_layers)], config.attention_head_size
    inner = _width(config.hidden_size, removed["hidden"].get(EMBEDDINGS, 0))
    if not inner:
        raise UserError(
            f"sparsity {sparsity}: expected at least {GRAIN} hidden dimensions to be left, but it removes "
            f"{removed['hidden'][EMBEDDINGS]} of {config.hidden_size}; choose a lower one, or a wider teacher"
        )
    # differs because the published code cannot cut a width that is no whole number of heads: the rest goes too
    heads = [
        _width(config.num_attention_heads * head_size, removed["head"].get(layer, 0) * head_size) // head_size
        for layer in layers
    ]
    neurons = [_width(config.intermediate_size, removed["neuron"].get(layer, 0)) for layer in layers]
    return MiniMoEConfig(**config.to_dict() | {"inner_size": inner, "layer_heads": heads, "layer_neurons": neurons})


def _width(width: int, removed: int) -> int:
    """What is left of `width`: the removed part is rounded, to even where halfway; less than 8 is nothing."""
    left = width - round(removed / GRAIN) * GRAIN
    return left if left >= GRAIN else 0
