"""Hooks that read the queries, keys and values of layers of a stock Hugging Face encoder.

A kind of encoder needs one row in `models.kinds`, no modeling file. The encoder is cut to what is read: it has no
layers above, and of that layer only the projections. Where hidden states are wanted too, it stays whole.
"""

import copy
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn
from transformers import AutoModel
from transformers.utils import logging

import minimoe.models  # noqa: F401 (registers the students, which may teach)
from minimoe.distill.batch import Batch
from minimoe.distill.losses import QKV, Features
from minimoe.distill.sentence import Pooled
from minimoe.hub.loading import load_encoder
from minimoe.models.kinds import EncoderKind, inputs_for, kind_of
from minimoe.models.routing import Router
from minimoe.models.sentence import SentenceHead, read_head
from minimoe.params.rounds import Distill
from minimoe.system.errors import UserError
from minimoe.training.compiled import compile_layers
from minimoe.training.optim import PRECISIONS, autocast
from minimoe.training.processes import shard, sharding_wanted

logging.disable_progress_bar()  # of loading and saving weights
logging.set_verbosity_error()  # a teacher's head is not needed: no warning that its weights are not loaded


class LayerHooks:
    """Hooks on a layer's query, key and value projections; a call runs the encoder and returns what they read.

    Args:
        encoder: a base model of one of `KINDS`, which stays whole.
        layer: number of the layer from 1, or "last".
        states: whether the embeddings' and the layer's output are wanted too.
        further: numbers of layers below it whose projections are wanted too.

    Attributes:
        encoder: what is run: the encoder as far as it is read. Its modules are the whole one's.
        taps: what reads each layer, that of `layer` last.

    Raises:
        UserError: no such kind or layer, or one without the modules of its kind.
    """

    def __init__(self, encoder: nn.Module, layer: int | str, *, states: bool = False, further: Sequence[int] = ()):
        self.config, kind = encoder.config, kind_of(encoder.config)
        layers = _module(encoder, kind.layers, self.config)
        self.number = len(layers) if layer == "last" else layer
        if not 1 <= self.number <= len(layers):
            raise UserError(f"teacher_layer: expected last or 1 to {len(layers)}, the teacher's layers; got {layer}")
        if wrong := [below for below in further if not 1 <= below < self.number]:
            raise UserError(
                f"further_layers: expected layers below {self.number}, the one that is imitated; got {wrong[0]}"
            )
        numbers = (*further, self.number)
        self.taps = [_Tap(layers[number - 1], kind, self.config, number) for number in numbers]
        self.states, self.encoder = states, encoder
        if not states:
            tapped = layers[self.number - 1]
            norm = _module(tapped, kind.norm, self.config) if kind.norm else nn.Identity()
            end = _Projections(tapped, norm, self.taps[-1].projections, tuples=kind.tuples)
            self.encoder = _cut(encoder, kind, self.number, end)
        self.layers, self._unsharded = self.encoder.get_submodule(kind.layers), self.encoder

    def __call__(self, **batch: Tensor) -> Features:
        """Ids, mask and segments [B, T] → queries, keys, values, each [B, T, its width], and states where wanted."""
        for tap in self.taps:
            tap.read = {}
        output = self.encoder(**inputs_for(self._unsharded, batch), output_hidden_states=self.states)
        *further, read = (tap.take(batch["input_ids"].shape) for tap in self.taps)
        read = read._replace(further=tuple(further))
        if not self.states:
            return read
        return read._replace(embeddings=output.hidden_states[0], hidden=output.hidden_states[self.number])


class _Tap:
    """Hooks on the projections of one layer, which keep what these compute.

    Args:
        layer: a layer of an encoder.
        kind, config: of that encoder.
        number: of the layer from 1.

    Attributes:
        projections: the layer's modules that compute queries, keys and values, one or three.
        widths: of queries, keys and values, by name; keys and values of grouped queries are narrower.
        read: what was computed since it was emptied, by name.
    """

    def __init__(self, layer: nn.Module, kind: EncoderKind, config, number: int):
        _check_readable(config, number)
        self.config, self.number = config, number
        self.projections: list[nn.Module] = []
        self.widths: dict[str, int] = {}
        self.read: dict[str, Tensor] = {}
        names: dict[str, list[str]] = {}  # of what each projection computes, by its path
        for name in QKV:
            names.setdefault(getattr(kind, name), []).append(name)
        for path, computed in names.items():
            module = _module(layer, path, config)
            module.register_forward_hook(lambda _module, _input, output, names=computed: self._keep(names, output))
            self.projections.append(module)
            self.widths |= dict.fromkeys(computed, module.weight.shape[-2] // len(computed))

    def _keep(self, names: list[str], output: Tensor) -> None:
        """Keep the first output: DeBERTa calls its projections again, for relative positions."""
        parts = output.chunk(len(names), -1) if len(names) > 1 else [output]  # the gradient of a chunk is a copy
        for name, part in zip(names, parts, strict=True):
            self.read.setdefault(name, part)

    def take(self, shape: torch.Size) -> Features:
        """What was read of sequences of the shape [B, T]; `UserError` where it is of another shape."""
        read, self.read = self.read, {}  # what a caller drops is freed
        for name, width in self.widths.items():
            wanted, got = (*shape, width), tuple(read[name].shape) if name in read else None
            if got != wanted:
                raise UserError(
                    f"teacher: expected the {name} of layer {self.number} as {wanted}, got {got}: this version of "
                    f"transformers computes {self.config.model_type} in another way; choose another kind of teacher"
                )
        return Features(**read)


class _Projections(nn.Module):
    """A layer's norm and projections in the place of the layer: for hooks; the states pass it by."""

    def __init__(self, layer: nn.Module, norm: nn.Module, projections: list[nn.Module], *, tuples: bool):
        super().__init__()
        self.norm, self.projections, self.tuples = norm, nn.ModuleList(projections), tuples
        self.attention_type = getattr(layer, "attention_type", None)  # by which ModernBERT chooses a layer's mask

    def forward(self, hidden: Tensor, *_unused, **_more) -> Tensor | tuple[Tensor, None]:
        """[B, T, D] → the same."""
        normed = self.norm(hidden)
        for projection in self.projections:
            projection(normed)
        return (hidden, None) if self.tuples else hidden


def _cut(encoder: nn.Module, kind: EncoderKind, number: int, end: _Projections) -> nn.Module:
    """An encoder whose layer `number` is `end`, and the last; it shares all modules that it has with the whole one."""
    *path, last = kind.layers.split(".")
    cut = parent = _shallow(encoder)
    cut.pooler = None
    for name in path:
        child = _shallow(getattr(parent, name))
        setattr(parent, name, child)
        parent = child
    setattr(parent, last, nn.ModuleList([*getattr(parent, last)[: number - 1], end]))
    return cut


def _shallow(module: nn.Module) -> nn.Module:
    """A module with the same children, which may be replaced."""
    made = copy.copy(module)
    made._modules = dict(module._modules)
    return made


def _module(parent: nn.Module, path: str, config) -> nn.Module:
    try:
        return parent.get_submodule(path)
    except AttributeError:
        raise UserError(
            f"teacher: expected {path} in a {type(parent).__name__} of kind {config.model_type}, found none: this "
            "version of transformers has other names; choose another kind of teacher"
        ) from None


def check_objective(hooks: LayerHooks | Pooled, settings: Distill, teacher: str | Path) -> None:
    """Raise `UserError` where the round's objective cannot compare what is read of the teacher of this name."""
    if settings.objective == "tinybert" and not kind_of(hooks.config).scores:
        raise UserError(
            f"distill.objective: expected minilm with the teacher {teacher}: the attention scores of "
            f"{hooks.config.model_type} also depend on positions, and tinybert compares those of queries and keys alone"
        )
    heads = settings.relation_heads if settings.objective == "minilm" else 1
    for tap in hooks.taps:
        for name, width in tap.widths.items():
            if width % heads:
                raise UserError(
                    f"distill.relation_heads: expected a divisor of {width}, the width of the {name} projection in "
                    f"layer {tap.number} of the teacher {teacher}; got {heads}"
                )


class Teacher:
    """A frozen encoder with hooks on one of its layers: from a batch to the features that students imitate.

    Args:
        folder: a Hugging Face model folder.
        layer: number of the layer from 1, or "last".
        states: whether hidden states are wanted too.
        further: numbers of further layers that are imitated.
        sentence: whether sentence embeddings are wanted instead, which its folder says how to pool.
        precision: of the forward pass, one of `PRECISIONS`. Its linear layers are kept in the autocast's type, which
            saves casting them at every step; the result is the same to the bit. Routers compute in fp32.
    """

    def __init__(
        self,
        folder: str | Path,
        layer: int | str,
        *,
        states: bool = False,
        further: Sequence[int] = (),
        sentence: bool = False,
        precision: str = "fp32",
    ):
        whole = load_encoder(AutoModel, folder, dtype=torch.float32).eval().requires_grad_(False)
        self.config, self.precision = whole.config, precision
        if sentence:
            self.hooks = Pooled(whole, read_head(folder, self.config.hidden_size))
        else:
            self.hooks = LayerHooks(whole, layer, states=states, further=further)
        self.model = self.hooks.encoder  # what it is cut from is not kept
        for module in self.model.modules():
            if isinstance(module, nn.Linear) and not isinstance(module, Router):
                module.to(PRECISIONS[precision])

    def to(self, accelerator, *, compiled: bool = False) -> None:
        """Move it to the device, where its layers may run compiled, or shard it where the launcher asks for that."""
        if self.head is not None:
            self.head.to(accelerator.device)
        if sharding_wanted(accelerator):
            self.hooks.encoder = shard(self.model, self.hooks.layers, accelerator)
            return
        self.model.to(accelerator.device)
        if compiled:
            compile_layers(self.hooks.layers)

    @property
    def head(self) -> SentenceHead | None:
        """What makes sentence embeddings, where these are wanted."""
        return self.hooks.head if isinstance(self.hooks, Pooled) else None

    @torch.no_grad()
    def __call__(self, batch: Batch) -> Features:
        """Sequences [B, T] → queries, keys, values [B, T, their widths], or embeddings [B, D]."""
        with autocast(batch.mask.device, self.precision):
            return self.hooks(**batch.inputs)


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
