"""Build models from a released checkpoint's encoders: stock classes where the shape is stock, else ours.

One function per form of encoder. Each takes a `Released` and returns its models by the sub-folder they are written to,
"" for a checkpoint that holds one model. Every weight must find its place.
"""

import re

import torch
from torch import Tensor
from transformers import PreTrainedModel

from minimoe.convert.released import BACKBONES, Released
from minimoe.convert.shapes import EMBEDDINGS, build, our_shape, stock_shape
from minimoe.models import MiniMoEConfig, MiniMoEModel
from minimoe.models.save import standard_form
from minimoe.models.slices import cut

EXPERTS = re.compile(r"([1-9]\d*),([1-9]\d*)")  # "x,y", of the self-attention and of the feed-forward
SUBNET = re.compile(r"(\d+),(\d+)")  # "layers,hidden", a once-for-all student (subnet) in `sparsity_map`
EIGHT = 8  # published sizes are cut in steps of 8, and a sub-layer of fewer is none


def stock(released: Released) -> dict[str, PreTrainedModel]:
    """A BERT, RoBERTa or MegatronBERT: minilm with any vocabulary, and tinybert."""
    return {"": build(BACKBONES[released.backbone], stock_shape(released), released.encoder(), released)}


def experts(released: Released) -> dict[str, PreTrainedModel]:
    """A minimoe of any "x,y" experts. Its published sizes are those of all experts together."""
    match = EXPERTS.fullmatch(str(released.config["moe"]))
    if not match:
        raise released.error(f"config.json: moe: expected 'x,y' experts, got {released.config['moe']!r}")
    attention, ffn = map(int, match.groups())
    shape = our_shape(released)
    shape["num_attention_heads"] //= attention
    shape["intermediate_size"] //= ffn
    shape["attention_experts"] = [attention] * shape["num_hidden_layers"]
    shape["ffn_experts"] = [ffn] * shape["num_hidden_layers"]
    # a router of one expert is in every published checkpoint, and decides nothing
    idle = {gate for gate, count in (("attn_gate", attention), ("ffn_gate", ffn)) if count == 1}
    weights = {name: weight for name, weight in released.encoder().items() if idle.isdisjoint(name.split("."))}
    return {"": standard_form(build(MiniMoEModel, shape, weights, released))}


def sparse(released: Released) -> dict[str, PreTrainedModel]:
    """A sparsebert, or a student cut from one. The sizes of its layers are those of its weights."""
    shape, weights = our_shape(released), released.encoder()
    places = _places(released, weights, shape["hidden_size"])
    shape["inner_size"] = _size(released, weights, EMBEDDINGS, dim=1)
    shape["layer_heads"], shape["layer_neurons"] = [], []
    for layer in range(shape["num_hidden_layers"]):
        start = f"encoder.layer.{layer}."
        rows = _rows(released, weights, start, "attention.self.query", "attention.self", "attention.output.dense")
        shape["layer_heads"].append(rows // shape["attention_head_size"])
        shape["layer_neurons"].append(_rows(released, weights, start, "intermediate.dense", "output.dense"))
    weights["encoder.recover_indices"] = places[: shape["inner_size"]]
    return {"": standard_form(build(MiniMoEModel, shape, weights, released))}


def once_for_all(released: Released) -> dict[str, PreTrainedModel]:
    """Every student (subnet) of an ofabert, as `<L>L-<H>H`.

    Its output is the leading part of the published one, whose rest is zeros. A layer that is switched off keeps both
    its LayerNorms, as published. The map needs no entry "0", for want of which the published code cannot reload it.
    """
    shape, weights = our_shape(released), released.encoder()
    places = _places(released, weights, shape["hidden_size"])
    if not torch.equal(places, torch.arange(len(places))):
        raise released.error("recover_indices: expected hidden dimensions in their own order")
    whole = build(MiniMoEModel, shape, weights, released)
    subnets = {}
    for key, removed in released.config["sparsity_map"].items():
        if match := SUBNET.fullmatch(key):
            config = MiniMoEConfig(**shape | _member(released, shape, key, removed))
            subnets["{}L-{}H".format(*match.groups())] = standard_form(cut(whole, config))
    return subnets


def _member(released: Released, shape: dict, key: str, removed: dict) -> dict:
    """The shape of the student (subnet) `key`, from the elements removed in each layer (layer -1: the embeddings)."""
    head, layers = shape["attention_head_size"], range(shape["num_hidden_layers"])
    try:
        hidden, heads, neurons = removed["hidden"], removed["head"], removed["neuron"]
        widths = {_kept(shape["hidden_size"], hidden.get(str(layer), 0)) for layer in (-1, *layers)}
        rows = [_kept(shape["num_attention_heads"] * head, heads.get(str(layer), 0) * head) for layer in layers]
        neurons = [_kept(shape["intermediate_size"], neurons.get(str(layer), 0)) for layer in layers]
    except (KeyError, TypeError, AttributeError):
        raise released.error(f"config.json: sparsity_map {key!r}: expected hidden, head and neuron by layer") from None
    on = sum(1 for r, n in zip(rows, neurons, strict=True) if r and n)
    if len(widths) > 1 or f"{on},{max(widths)}" != key:
        raise released.error(f"config.json: sparsity_map {key!r}: its layers are {on}, its widths {sorted(widths)}")
    return {
        "hidden_size": widths.pop(),
        "num_attention_heads": max(rows) // head,
        "intermediate_size": max(neurons),
        "layer_heads": [r // head for r in rows],
        "layer_neurons": neurons,
    }


def _kept(whole: int, removed: int) -> int:
    return whole - round(removed / EIGHT) * EIGHT


def _places(released: Released, weights: dict[str, Tensor], hidden: int) -> Tensor:
    """Take out the places [hidden] of hidden dimensions in the output; published as floats, which break in bf16."""
    places = weights.pop("recover_indices").long()
    if not torch.equal(places.sort().values, torch.arange(hidden)):
        raise released.error(f"recover_indices: expected each of 0 … {hidden - 1} once")
    return places


def _rows(released: Released, weights: dict[str, Tensor], layer: str, first: str, *others: str) -> int:
    """Outputs of a sub-layer's `first` linear layer; where there are none, the sub-layer's weights are taken out."""
    rows = _size(released, weights, f"{layer}{first}.weight", dim=0)
    if rows >= EIGHT:
        return rows
    parts = tuple(f"{layer}{part}." for part in (first, *others))
    for name in [name for name in weights if name.startswith(parts)]:
        del weights[name]
    return 0


def _size(released: Released, weights: dict[str, Tensor], name: str, dim: int) -> int:
    if name not in weights or weights[name].dim() != 2:
        raise released.error(f"{released.prefix}{name}: expected a matrix of weights there")
    return weights[name].shape[dim]
