"""A student as it is trained: its encoder, and what the loss compares (features) and balances (router logits)."""

import torch
from torch import Tensor, nn

from minimoe.distill.hooks import LayerHooks
from minimoe.distill.losses import QKV, STATES, Features
from minimoe.models.routing import Router
from minimoe.models.student import MiniMoEModel

RouterLogits = dict[str, list[Tensor]]  # [B·T, E] of each layer, by sub-layer: attention, ffn


class StudentWithFeatures(nn.Module):
    """An encoder whose forward pass returns features and router logits.

    The features of a dense student are its last layer's own queries, keys and values, read by hooks. A student with
    experts has several projections of each, and a sparse or once-for-all one may have few or no heads there, so these
    get an extra projection of their last hidden states, which is dropped when the student is saved (as published).

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
            has_experts = max(config.attention_experts + config.ffn_experts) > 1
            extra_projection = not states and (has_experts or config.inner_size is not None)
        self.projection = self.transform = None
        if extra_projection:
            width = config.hidden_size if extra_projection is True else extra_projection
            self.projection = nn.ModuleDict(_linear(QKV, config.hidden_size, width, config.initializer_range, seed))
        else:
            # in a list, so that the encoder is not a submodule twice
            self._hooks = [LayerHooks(encoder, "last", states=states is not None)]
            if states not in (None, config.width):
                self.transform = _linear(["states"], config.width, states, config.initializer_range, seed)["states"]
        self._logits: RouterLogits = {"attention": [], "ffn": []}
        for name, module in encoder.named_modules():
            if isinstance(module, Router):
                kind = "attention" if name.endswith("attn_gate") else "ffn"
                module.register_forward_hook(lambda _m, _i, logits, kind=kind: self._logits[kind].append(logits))

    def forward(self, **batch: Tensor) -> tuple[Features, RouterLogits]:
        """Ids, mask, segments [B, T] → features [B, T, D] each, router logits [B·T, E] per sub-layer and layer."""
        self._logits["attention"], self._logits["ffn"] = [], []
        if self.projection is not None:
            return self.project(self.encoder(**batch).last_hidden_state), dict(self._logits)
        features = self._hooks[0](**batch)
        if self.transform is not None:
            features = features._replace(**{name: self.transform(getattr(features, name)) for name in STATES})
        return features, dict(self._logits)

    @property
    def layers(self) -> list[nn.Module]:
        """The encoder's layers, as a forward pass calls them."""
        return list(self.encoder.encoder.layer if self.projection is not None else self._hooks[0].layers)

    def project(self, hidden: Tensor) -> Features:
        """Last hidden states [B, T, D] → features of the extra projection [B, T, its width]."""
        return Features(**{name: self.projection[name](hidden) for name in QKV})


def _linear(names: list[str], inputs: int, outputs: int, scale: float, seed: int) -> dict[str, nn.Linear]:
    """Linear layers initialised as BERT's."""
    generator = torch.Generator().manual_seed(seed)
    layers = {name: nn.Linear(inputs, outputs) for name in names}
    for linear in layers.values():
        nn.init.normal_(linear.weight, std=scale, generator=generator)
        nn.init.zeros_(linear.bias)
    return layers
