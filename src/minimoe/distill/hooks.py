"""Hooks that read the queries, keys and values of one layer of a stock Hugging Face encoder.

An architecture needs one row in `ARCHITECTURES`, no modeling file. The encoder is cut to what is read: it has no layers
above, and of that layer only the projections. Where hidden states are wanted too, it stays whole.
"""

import copy
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from transformers import AutoModel
from transformers.utils import logging

import minimoe.models  # noqa: F401 (registers the students, which may teach)
from minimoe.distill.batch import Batch
from minimoe.distill.losses import QKV, Features
from minimoe.hub.loading import load_encoder
from minimoe.system.errors import UserError
from minimoe.training.compiled import compile_layers
from minimoe.training.optim import PRECISIONS, autocast
from minimoe.training.processes import shard, sharding_wanted

logging.disable_progress_bar()  # of loading and saving weights
logging.set_verbosity_error()  # a teacher's head is not needed: no warning that its weights are not loaded


@dataclass(frozen=True)
class Architecture:
    """Names of the modules that are an encoder's layers, and a layer's query, key and value projections."""

    layers: str = "encoder.layer"
    query: str = "attention.self.query"
    key: str = "attention.self.key"
    value: str = "attention.self.value"
    norm: str = ""  # a LayerNorm before the projections
    tuples: bool = False  # whether a layer returns a tuple


# MegatronBERT normalises before its sub-layers: its projections see the normalised states
ARCHITECTURES = {
    **{name: Architecture() for name in ("bert", "electra", "minimoe", "roberta", "xlm-roberta")},
    "megatron-bert": Architecture(norm="attention.ln", tuples=True),
}


class LayerHooks:
    """Hooks on one layer's query, key and value projections; a call runs the encoder and returns what they read.

    Args:
        encoder: a base model of one of `ARCHITECTURES`, which stays whole.
        layer: number of the layer from 1, or "last".
        states: whether the embeddings' and the layer's output are wanted too.

    Attributes:
        encoder: what is run: the encoder as far as it is read. Its modules are the whole one's.
    """

    def __init__(self, encoder: nn.Module, layer: int | str, *, states: bool = False):
        names = _architecture(encoder.config)
        layers = encoder.get_submodule(names.layers)
        self.number = len(layers) if layer == "last" else layer
        if not 1 <= self.number <= len(layers):
            raise UserError(f"teacher_layer: expected last or 1 to {len(layers)}, the teacher's layers; got {layer}")
        _check_readable(encoder.config, self.number)
        self.encoder, self.states = encoder if states else _cut(encoder, names, self.number), states
        self.layers = self.encoder.get_submodule(names.layers)
        self._read: dict[str, Tensor] = {}
        for name in QKV:
            projection = layers[self.number - 1].get_submodule(getattr(names, name))
            projection.register_forward_hook(lambda _module, _input, output, name=name: self._hook(name, output))

    def _hook(self, name: str, output: Tensor) -> None:
        self._read[name] = output

    def __call__(self, **batch: Tensor) -> Features:
        """Token ids, mask and segments [B, T] → queries, keys, values, each [B, T, D], and states where wanted."""
        output = self.encoder(**batch, output_hidden_states=self.states)
        read, self._read = self._read, {}
        if not self.states:
            return Features(**read)
        return Features(**read, embeddings=output.hidden_states[0], hidden=output.hidden_states[self.number])


class _Projections(nn.Module):
    """A layer's query, key and value projections in the place of the layer: for hooks; the states pass it by."""

    def __init__(self, layer: nn.Module, names: Architecture):
        super().__init__()
        self.norm = layer.get_submodule(names.norm) if names.norm else nn.Identity()
        self.projections = nn.ModuleList([layer.get_submodule(getattr(names, name)) for name in QKV])
        self.tuples = names.tuples

    def forward(self, hidden: Tensor, *_unused, **_more) -> Tensor | tuple[Tensor]:
        """[B, T, D] → the same."""
        normed = self.norm(hidden)
        for projection in self.projections:
            projection(normed)
        return (hidden,) if self.tuples else hidden


def _cut(encoder: nn.Module, names: Architecture, number: int) -> nn.Module:
    """An encoder that ends with the projections of a layer; it shares all modules that it has with the whole one."""
    *path, last = names.layers.split(".")
    cut = parent = _shallow(encoder)
    cut.pooler = None
    for name in path:
        child = _shallow(getattr(parent, name))
        setattr(parent, name, child)
        parent = child
    *below, layer = getattr(parent, last)[:number]
    setattr(parent, last, nn.ModuleList([*below, _Projections(layer, names)]))
    return cut


def _shallow(module: nn.Module) -> nn.Module:
    """A module with the same children, which may be replaced."""
    made = copy.copy(module)
    made._modules = dict(module._modules)
    return made


class Teacher:
    """A frozen encoder with hooks on one of its layers: from a batch to the features that students imitate.

    Args:
        folder: a Hugging Face model folder.
        layer: number of the layer from 1, or "last".
        states: whether hidden states are wanted too.
        precision: of the forward pass, one of `PRECISIONS`. Its linear layers are kept in the autocast's type, which
            saves casting them at every step; the result is the same to the bit.
    """

    def __init__(self, folder: str | Path, layer: int | str, *, states: bool = False, precision: str = "fp32"):
        whole = load_encoder(AutoModel, folder, dtype=torch.float32).eval().requires_grad_(False)
        self.config, self.precision = whole.config, precision
        self.hooks = LayerHooks(whole, layer, states=states)
        self.model = self.hooks.encoder  # what it is cut from is not kept
        for module in self.model.modules():
            if isinstance(module, nn.Linear):
                module.to(PRECISIONS[precision])

    def to(self, accelerator, *, compiled: bool = False) -> None:
        """Move it to the device, where its layers may run compiled, or shard it where the launcher asks for that."""
        if sharding_wanted(accelerator):
            self.hooks.encoder = shard(self.model, self.hooks.layers, accelerator)
            return
        self.model.to(accelerator.device)
        if compiled:
            compile_layers(self.hooks.layers)

    @torch.no_grad()
    def __call__(self, batch: Batch) -> Features:
        """Sequences [B, T] → queries, keys, values [B, T, D]."""
        inputs = batch.inputs
        # eager attention adds its mask to the scores: transformers makes that mask of floats from one of [B, T]
        if self.config._attn_implementation == "eager":
            inputs = inputs | {"attention_mask": batch.mask}
        with autocast(batch.mask.device, self.precision):
            return self.hooks(**inputs)


def _check_readable(config, number: int) -> None:
    """Raise `UserError` for a layer of our own encoder that has no heads, or Q, K and V from several experts."""
    if config.model_type != "minimoe":
        return
    if config.attention_experts[number - 1] > 1 or not config.layer_heads[number - 1]:
        raise UserError(
            f"teacher: expected queries, keys and values in layer {number}, which has "
            f"{config.layer_heads[number - 1]} heads and {config.attention_experts[number - 1]} attention experts; "
            "choose another teacher or teacher_layer"
        )


def _architecture(config) -> Architecture:
    if config.model_type not in ARCHITECTURES:
        known = ", ".join(sorted(ARCHITECTURES))
        raise UserError(f"teacher: expected an encoder of one of the kinds {known}; got {config.model_type!r}")
    return ARCHITECTURES[config.model_type]
