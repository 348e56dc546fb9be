"""Taps: the queries, keys and values of one layer of a stock encoder, read by hooks on their projections.

An architecture needs one row in `ARCHITECTURES`, no modeling file. The forward pass ends at the tap: what lies
above it is never computed.
"""

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from transformers import AutoModel
from transformers.utils import logging

import minimoe.models  # noqa: F401 (registers the students, which may teach)
from minimoe.errors import UserError

logging.disable_progress_bar()  # of loading and saving weights
logging.set_verbosity_error()  # a teacher's head is not needed, and need not be reported
QKV = ("query", "key", "value")


@dataclass(frozen=True)
class Architecture:
    """Where a family of encoders keeps its layers, and a layer its query, key and value projections."""

    layers: str = "encoder.layer"
    query: str = "attention.self.query"
    key: str = "attention.self.key"
    value: str = "attention.self.value"


ARCHITECTURES = {
    "bert": Architecture(),
    "minimoe": Architecture(),
}


class _Reached(Exception):
    """The last tap has been read; raised to leave the forward pass."""


class Tap:
    """Reads the projections of one layer while an encoder runs, and ends the run there.

    Args:
        encoder: a base model of one of `ARCHITECTURES`.
        layer: number of the layer from 1, or "last".
    """

    def __init__(self, encoder: nn.Module, layer: int | str):
        where = _architecture(encoder.config)
        layers = encoder.get_submodule(where.layers)
        number = len(layers) if layer == "last" else layer
        if not 1 <= number <= len(layers):
            raise UserError(f"teacher_layer: expected last or 1 to {len(layers)}, the teacher's layers; got {layer}")
        self.encoder = encoder
        self.layer = layers[number - 1]
        self._read: dict[str, Tensor] = {}
        for name in QKV:
            projection = self.layer.get_submodule(getattr(where, name))
            projection.register_forward_hook(lambda _module, _input, output, name=name: self._take(name, output))

    def _take(self, name: str, output: Tensor) -> None:
        self._read[name] = output
        if len(self._read) == len(QKV):
            raise _Reached

    def __call__(self, **batch: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Token ids, mask and segments [B, T] → queries, keys, values, each [B, T, D]."""
        self._read = {}
        try:
            self.encoder(**batch)
        except _Reached:
            taken, self._read = self._read, {}
            return tuple(taken[name] for name in QKV)
        raise RuntimeError("the forward pass ended before the tapped layer")


class Teacher:
    """A frozen encoder and the tap on one of its layers."""

    def __init__(self, folder: str | Path, layer: int | str):
        self.model = AutoModel.from_pretrained(folder, dtype=torch.float32).eval().requires_grad_(False)
        self.config = self.model.config
        self.tap = Tap(self.model, layer)

    @torch.no_grad()
    def __call__(self, batch: dict[str, Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        """Ids, mask, segments [B, T] → queries, keys, values [B, T, D]."""
        return self.tap(**batch)


def _architecture(config) -> Architecture:
    if config.model_type not in ARCHITECTURES:
        known = ", ".join(sorted(ARCHITECTURES))
        raise UserError(f"teacher: expected an encoder of one of the kinds {known}; got {config.model_type!r}")
    return ARCHITECTURES[config.model_type]
