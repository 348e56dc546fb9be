"""A student as it is trained: the encoder, where it is tapped, and what its routers said."""

import torch
from torch import Tensor, nn

from minimoe.distill.objectives import Taps
from minimoe.distill.taps import QKV, Tap
from minimoe.models.experts import Router
from minimoe.models.student import MiniMoEModel


class TappedStudent(nn.Module):
    """An encoder whose forward pass returns what the objective compares.

    A dense student is tapped at its last layer's own projections. A student with experts has no such projections of
    one kind, so it gets an extra one of its last hidden states, dropped when the student is saved (as published).

    Args:
        encoder: the student encoder.
        seed: of the extra projection's initial weights.
        extra_projection: whether to add it; default: where there are experts.
    """

    def __init__(self, encoder: MiniMoEModel, seed: int, *, extra_projection: bool | None = None):
        super().__init__()
        self.encoder = encoder
        config = encoder.config
        if extra_projection is None:
            extra_projection = max(config.attention_experts + config.ffn_experts) > 1
        self.projection = None
        encoder.pooler.requires_grad_(False)  # no objective reaches it
        if extra_projection:
            self.projection = _projection(config.hidden_size, config.initializer_range, seed)
        else:
            self._tap = [Tap(encoder, "last")]  # in a list: a tap is no submodule
            self._freeze_above_tap()
        self._routed: dict[str, list[Tensor]] = {"attention": [], "ffn": []}
        for name, module in encoder.named_modules():
            if isinstance(module, Router):
                kind = "attention" if name.endswith("attn_gate") else "ffn"
                module.register_forward_hook(lambda _m, _i, logits, kind=kind: self._routed[kind].append(logits))

    def _freeze_above_tap(self) -> None:
        """No gradient reaches the last layer beyond its projections: they stay as they started, as published."""
        last = self.encoder.encoder.layer[-1]
        last.requires_grad_(False)
        last.attention.self.requires_grad_(True)

    def forward(self, **batch: Tensor) -> tuple[Taps, dict[str, list[Tensor]]]:
        """Ids, mask, segments [B, T] → taps [B, T, D] each, router logits [B·T, E] per sub-layer and layer."""
        self._routed["attention"], self._routed["ffn"] = [], []
        if self.projection is None:
            return self._tap[0](**batch), dict(self._routed)
        hidden = self.encoder(**batch).last_hidden_state
        return tuple(self.projection[name](hidden) for name in QKV), dict(self._routed)


def _projection(hidden: int, scale: float, seed: int) -> nn.ModuleDict:
    """Query, key and value projections D → D, initialised as BERT's."""
    projection = nn.ModuleDict({name: nn.Linear(hidden, hidden) for name in QKV})
    generator = torch.Generator().manual_seed(seed)
    for linear in projection.values():
        nn.init.normal_(linear.weight, std=scale, generator=generator)
        nn.init.zeros_(linear.bias)
    return projection
