"""A student as it is trained: the encoder, where it is tapped, and what its routers said."""

import torch
from torch import Tensor, nn

from minimoe.distill.hooks import Tap
from minimoe.distill.losses import QKV, STATES, Taps
from minimoe.models.routing import Router
from minimoe.models.student import MiniMoEModel

Routed = dict[str, list[Tensor]]  # router logits [B·T, E] of each layer, by sub-layer


class TappedStudent(nn.Module):
    """An encoder whose forward pass returns what the objective compares.

    A dense student is tapped at its last layer's own projections. A student with experts has no such projections of
    one kind, and a sparse or once-for-all one too few heads of them, so these get an extra one of their last hidden
    states, dropped when the student is saved (as published).

    Args:
        encoder: the student encoder.
        seed: of the initial weights of what is added.
        extra_projection: its width, True for the encoder's own, False for none; default: the encoder's own where there
            are experts or layers narrower than the output.
        states: width that hidden states are mapped to, for TinyBERT, whose teacher has it; None: none are compared.
    """

    def __init__(
        self, encoder: MiniMoEModel, seed: int, *, extra_projection: int | bool | None = None, states: int | None = None
    ):
        super().__init__()
        self.encoder = encoder
        config = encoder.config
        if extra_projection is None:
            many = max(config.attention_experts + config.ffn_experts) > 1
            extra_projection = not states and (many or config.inner_size is not None)
        self.projection = self.transform = None
        if extra_projection:
            width = config.hidden_size if extra_projection is True else extra_projection
            self.projection = nn.ModuleDict(_linear(QKV, config.hidden_size, width, config.initializer_range, seed))
        else:
            self._tap = [Tap(encoder, "last", states=states is not None)]  # in a list: a tap is no submodule
            if states not in (None, config.width):
                self.transform = _linear(["states"], config.width, states, config.initializer_range, seed)["states"]
        self._routed: Routed = {"attention": [], "ffn": []}
        for name, module in encoder.named_modules():
            if isinstance(module, Router):
                kind = "attention" if name.endswith("attn_gate") else "ffn"
                module.register_forward_hook(lambda _m, _i, logits, kind=kind: self._routed[kind].append(logits))

    def forward(self, **batch: Tensor) -> tuple[Taps, Routed]:
        """Ids, mask, segments [B, T] → taps [B, T, D] each, router logits [B·T, E] per sub-layer and layer."""
        self._routed["attention"], self._routed["ffn"] = [], []
        if self.projection is not None:
            return self.project(self.encoder(**batch).last_hidden_state), dict(self._routed)
        taps = self._tap[0](**batch)
        if self.transform is not None:
            taps = taps._replace(**{name: self.transform(getattr(taps, name)) for name in STATES})
        return taps, dict(self._routed)

    def project(self, hidden: Tensor) -> Taps:
        """Last hidden states [B, T, D] → taps of the extra projection [B, T, its width]."""
        return Taps(**{name: self.projection[name](hidden) for name in QKV})


def _linear(names: list[str], inputs: int, outputs: int, scale: float, seed: int) -> dict[str, nn.Linear]:
    """Linear layers initialised as BERT's."""
    generator = torch.Generator().manual_seed(seed)
    layers = {name: nn.Linear(inputs, outputs) for name in names}
    for linear in layers.values():
        nn.init.normal_(linear.weight, std=scale, generator=generator)
        nn.init.zeros_(linear.bias)
    return layers
