"""Taps: the queries, keys and values of one layer of a stock encoder, read by hooks on their projections.

An architecture needs one row in `ARCHITECTURES`, no modeling file. The forward pass ends at the tap: what lies
above it is never computed. Where hidden states are wanted too, it runs to its end.
"""

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from transformers import AutoModel
from transformers.utils import logging

import minimoe.models  # noqa: F401 (registers the students, which may teach)
from minimoe.distill.losses import QKV, Taps
from minimoe.hub.loading import load_encoder
from minimoe.system.errors import UserError
from minimoe.training.processes import Spread, spread, spread_wanted

logging.disable_progress_bar()  # of loading and saving weights
logging.set_verbosity_error()  # a teacher's head is not needed, and need not be reported


@dataclass(frozen=True)
class Architecture:
    """Where a family of encoders keeps its layers, and a layer its query, key and value projections."""

    layers: str = "encoder.layer"
    query: str = "attention.self.query"
    key: str = "attention.self.key"
    value: str = "attention.self.value"


# MegatronBERT normalises before its sub-layers: its projections see the normalised states, and are tapped all the same
ARCHITECTURES = {
    name: Architecture() for name in ("bert", "electra", "megatron-bert", "minimoe", "roberta", "xlm-roberta")
}


class _Reached(Exception):
    """The last tap has been read; raised to leave the forward pass."""


class Tap:
    """Reads one layer while an encoder runs, and ends the run there where it can.

    Args:
        encoder: a base model of one of `ARCHITECTURES`.
        layer: number of the layer from 1, or "last".
        states: whether the embeddings' and the layer's output are wanted too.
    """

    def __init__(self, encoder: nn.Module, layer: int | str, *, states: bool = False):
        where = _architecture(encoder.config)
        layers = encoder.get_submodule(where.layers)
        self.number = len(layers) if layer == "last" else layer
        if not 1 <= self.number <= len(layers):
            raise UserError(f"teacher_layer: expected last or 1 to {len(layers)}, the teacher's layers; got {layer}")
        _check_readable(encoder.config, self.number)
        self.encoder, self.layers = encoder, layers
        self.states = states
        self._read: dict[str, Tensor] = {}
        for name in QKV:
            projection = layers[self.number - 1].get_submodule(getattr(where, name))
            projection.register_forward_hook(lambda _module, _input, output, name=name: self._take(name, output))

    def _take(self, name: str, output: Tensor) -> None:
        self._read[name] = output
        if len(self._read) == len(QKV) and not self.states:
            raise _Reached

    def __call__(self, **batch: Tensor) -> Taps:
        """Token ids, mask and segments [B, T] → queries, keys, values, each [B, T, D], and states where wanted."""
        self._read = {}
        try:
            output = self.encoder(**batch, output_hidden_states=self.states)
        except _Reached:
            output = None
            if isinstance(self.encoder, Spread):  # it has to be told of a run cut short
                self.encoder.reset_iter_state()
        taken, self._read = self._read, {}
        if output is None:
            return Taps(**taken)
        return Taps(**taken, embeddings=output.hidden_states[0], hidden=output.hidden_states[self.number])


class Teacher:
    """A frozen encoder and the tap on one of its layers.

    Args:
        folder: a Hugging Face model folder.
        layer: number of the layer from 1, or "last".
        states: whether hidden states are wanted too.
        dtype: of its linear layers' weights. In the autocast's own, it need not cast them at every step; the result is
            the same to the bit.
    """

    def __init__(self, folder: str | Path, layer: int | str, *, states: bool = False, dtype: torch.dtype | None = None):
        self.model = load_encoder(AutoModel, folder, dtype=torch.float32).eval().requires_grad_(False)
        for module in self.model.modules():
            if isinstance(module, nn.Linear):
                module.to(dtype)
        self.config = self.model.config
        self.tap = Tap(self.model, layer, states=states)

    def to(self, accelerator) -> None:
        """Move it to the device, or spread it over the processes where the launcher asks for that."""
        if spread_wanted(accelerator):
            self.tap.encoder = spread(self.model, self.tap.layers, accelerator)
        else:
            self.model.to(accelerator.device)

    @torch.no_grad()
    def __call__(self, batch: dict[str, Tensor]) -> Taps:
        """Ids, mask, segments [B, T] → queries, keys, values [B, T, D]."""
        return self.tap(**batch)


def _check_readable(config, number: int) -> None:
    """Of our own students, only a layer with heads and without attention experts has projections of one kind."""
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
