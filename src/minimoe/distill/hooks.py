"""Hooks that read the queries, keys and values of one layer of a stock Hugging Face encoder.

An architecture needs one row in `ARCHITECTURES`, no modeling file. The forward pass ends when the hooks have read what
is wanted: layers above are never computed. Where hidden states are wanted too, it runs to its end.
"""

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from transformers import AutoModel
from transformers.utils import logging

import minimoe.models  # noqa: F401 (registers the students, which may teach)
from minimoe.distill.losses import QKV, Features
from minimoe.hub.loading import load_encoder
from minimoe.system.errors import UserError
from minimoe.training.optim import PRECISIONS, autocast
from minimoe.training.processes import Sharded, shard, sharding_wanted

logging.disable_progress_bar()  # of loading and saving weights
logging.set_verbosity_error()  # a teacher's head is not needed: no warning that its weights are not loaded


@dataclass(frozen=True)
class Architecture:
    """Names of the modules that are an encoder's layers, and a layer's query, key and value projections."""

    layers: str = "encoder.layer"
    query: str = "attention.self.query"
    key: str = "attention.self.key"
    value: str = "attention.self.value"


# MegatronBERT normalises before its sub-layers: its projections see the normalised states, and are read all the same
ARCHITECTURES = {
    name: Architecture() for name in ("bert", "electra", "megatron-bert", "minimoe", "roberta", "xlm-roberta")
}


class _AllRead(Exception):
    """Raised by the last hook to leave the forward pass."""


class LayerHooks:
    """Hooks on one layer's query, key and value projections; a call runs the encoder and returns what they read.

    Args:
        encoder: a base model of one of `ARCHITECTURES`.
        layer: number of the layer from 1, or "last".
        states: whether the embeddings' and the layer's output are wanted too.
    """

    def __init__(self, encoder: nn.Module, layer: int | str, *, states: bool = False):
        names = _architecture(encoder.config)
        layers = encoder.get_submodule(names.layers)
        self.number = len(layers) if layer == "last" else layer
        if not 1 <= self.number <= len(layers):
            raise UserError(f"teacher_layer: expected last or 1 to {len(layers)}, the teacher's layers; got {layer}")
        _check_readable(encoder.config, self.number)
        self.encoder, self.layers = encoder, layers
        self.states = states
        self._read: dict[str, Tensor] = {}
        for name in QKV:
            projection = layers[self.number - 1].get_submodule(getattr(names, name))
            projection.register_forward_hook(lambda _module, _input, output, name=name: self._hook(name, output))

    def _hook(self, name: str, output: Tensor) -> None:
        self._read[name] = output
        if len(self._read) == len(QKV) and not self.states:
            raise _AllRead

    def __call__(self, **batch: Tensor) -> Features:
        """Token ids, mask and segments [B, T] → queries, keys, values, each [B, T, D], and states where wanted."""
        self._read = {}
        try:
            output = self.encoder(**batch, output_hidden_states=self.states)
        except _AllRead:
            output = None
            if isinstance(self.encoder, Sharded):
                self.encoder.reset_iter_state()  # FSDP does not see the end of a forward pass that is left
        read, self._read = self._read, {}
        if output is None:
            return Features(**read)
        return Features(**read, embeddings=output.hidden_states[0], hidden=output.hidden_states[self.number])


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
        self.model = load_encoder(AutoModel, folder, dtype=torch.float32).eval().requires_grad_(False)
        for module in self.model.modules():
            if isinstance(module, nn.Linear):
                module.to(PRECISIONS[precision])
        self.config, self.precision = self.model.config, precision
        self.hooks = LayerHooks(self.model, layer, states=states)

    def to(self, accelerator) -> None:
        """Move it to the device, or shard it over the processes where the launcher asks for that."""
        if sharding_wanted(accelerator):
            self.hooks.encoder = shard(self.model, self.hooks.layers, accelerator)
        else:
            self.model.to(accelerator.device)

    @torch.no_grad()
    def __call__(self, batch: dict[str, Tensor]) -> Features:
        """Ids, mask, segments [B, T] → queries, keys, values [B, T, D]."""
        with autocast(batch["input_ids"].device, self.precision):
            return self.hooks(**batch)


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
