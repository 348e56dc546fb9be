"""A student as it is trained: its encoder, and what the loss compares (features) and balances (router logits)."""

from collections.abc import Iterable, Mapping
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor, nn

from minimoe.distill.hooks import LayerHooks
from minimoe.distill.losses import QKV, STATES, Features
from minimoe.distill.sentence import pool
from minimoe.models.experts import ExpertLinear
from minimoe.models.routing import Router
from minimoe.models.sentence import SentenceHead
from minimoe.models.student import MiniMoEModel
from minimoe.training.draws import mixed
from minimoe.training.optim import NO_DECAY

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
        further: for a further layer of the teacher the layer of the student, not the last one, whose output gets a
            projection to imitate it, by their numbers. It too is dropped when the student is saved.
        head: makes the sentence embeddings that are the only features; None: there are none. It is saved with the
            student, its dense layer too, as it belongs to the embeddings.
    """

    def __init__(
        self,
        encoder: MiniMoEModel,
        seed: int,
        *,
        extra_projection: int | bool | None = None,
        states: int | None = None,
        further: Mapping[int, int] | None = None,
        head: SentenceHead | None = None,
    ):
        super().__init__()
        self.encoder, self.head = encoder, head
        config = encoder.config
        if extra_projection is None:
            has_experts = max(config.attention_experts + config.ffn_experts) > 1
            extra_projection = not states and (has_experts or config.inner_size is not None)
        self.projection = self.transform = None
        self._logits: RouterLogits = {"attention": [], "ffn": []}
        for name, module in encoder.named_modules():
            if isinstance(module, Router):
                kind = "attention" if name.endswith("attn_gate") else "ffn"
                module.register_forward_hook(lambda _m, _i, logits, kind=kind: self._logits[kind].append(logits))
        self._outputs: dict[str, Tensor] = {}  # of the layers of `further`
        self.further = nn.ModuleDict()  # by the number of the teacher's layer
        for taught, own in (further or {}).items():
            encoder.encoder.layer[own - 1].register_forward_hook(partial(self._keep, str(taught)))
            shape = config.width, config.hidden_size, config.initializer_range
            self.further[str(taught)] = nn.ModuleDict(_linear(QKV, *shape, mixed(seed, taught)))
        if head:
            initialise(head.dense, config.initializer_range, seed)
        elif extra_projection:
            width = config.hidden_size if extra_projection is True else extra_projection
            self.projection = nn.ModuleDict(_linear(QKV, config.hidden_size, width, config.initializer_range, seed))
        else:
            # in a list, so that the encoder is not a submodule twice
            self._hooks = [LayerHooks(encoder, "last", states=states is not None)]
            if states not in (None, config.width):
                self.transform = _linear(["states"], config.width, states, config.initializer_range, seed)["states"]

    def _keep(self, taught: str, _module: nn.Module, _inputs: tuple, output: Tensor) -> None:
        self._outputs[taught] = output

    def forward(self, **batch: Tensor) -> tuple[Features, RouterLogits]:
        """Ids, mask, segments [B, T] → features [B, T, D] each, router logits [B·T, E] per sub-layer and layer.

        Features are embeddings [B, D] where there is a head.
        """
        features, logits = self._forward(**batch)
        outputs, self._outputs = self._outputs, {}
        further = (_project(linear, outputs[taught]) for taught, linear in self.further.items())
        return features._replace(further=tuple(further)), logits

    def _forward(self, **batch: Tensor) -> tuple[Features, RouterLogits]:
        self._logits["attention"], self._logits["ffn"] = [], []
        if self.head is not None:
            hidden = self.encoder(**batch).last_hidden_state
            return Features(sentence=pool(self.head, hidden, batch["attention_mask"])), dict(self._logits)
        if self.projection is not None:
            return self.project(self.encoder(**batch).last_hidden_state), dict(self._logits)
        features = self._hooks[0](**batch)
        if self.transform is not None:
            features = features._replace(**{name: self.transform(getattr(features, name)) for name in STATES})
        return features, dict(self._logits)

    @property
    def active(self) -> dict[str, int]:
        """To how many experts a token goes, by sub-layer."""
        return {"attention": 1, "ffn": self.encoder.config.ffn_active}

    @property
    def layers(self) -> list[nn.Module]:
        """The encoder's layers, as a forward pass calls them."""
        whole = self.head is not None or self.projection is not None
        return list(self.encoder.encoder.layer if whole else self._hooks[0].layers)

    def project(self, hidden: Tensor) -> Features:
        """Last hidden states [B, T, D] → features of the extra projection [B, T, its width]."""
        return _project(self.projection, hidden)


def _project(linear: nn.ModuleDict, hidden: Tensor) -> Features:
    return Features(**{name: linear[name](hidden) for name in QKV})


def _linear(names: list[str], inputs: int, outputs: int, scale: float, seed: int) -> dict[str, nn.Linear]:
    """Linear layers initialised as BERT's."""
    layers = {name: nn.Linear(inputs, outputs) for name in names}
    initialise(layers.values(), scale, seed)
    return layers


def initialise(layers: Iterable[nn.Module], scale: float, seed: int) -> None:
    """Draw the weights of the linear layers among `layers` as BERT's are."""
    generator = torch.Generator().manual_seed(seed)
    for linear in layers:
        if isinstance(linear, nn.Linear):
            nn.init.normal_(linear.weight, std=scale, generator=generator)
            nn.init.zeros_(linear.bias)


class WeightGroup(NamedTuple):
    """Weights that learn at one rate."""

    multiplier: float  # of the learning rate
    weights: list[Tensor]
    decayed: list[Tensor]  # those of them that weight decay shrinks


def expert_weights(model: nn.Module) -> list[nn.Parameter]:
    """The weights and biases of a model's experts, those with an expert dimension."""
    layers = [module for module in model.modules() if isinstance(module, ExpertLinear) and module.experts > 1]
    return [weight for layer in layers for weight in layer.parameters()]


def weight_groups(model: nn.Module, apart: Iterable[nn.Parameter], multiplier: float) -> list[WeightGroup]:
    """The trained weights of a model: all of them, or where the rate of those `apart` is multiplied, those by them."""
    apart, groups = set(apart) if multiplier != 1 else set(), []
    for factor, is_apart in ((1.0, False), (multiplier, True)):
        named = model.named_parameters()
        own = {name: weight for name, weight in named if weight.requires_grad and (weight in apart) == is_apart}
        decayed = [weight for name, weight in own.items() if not name.endswith(NO_DECAY)]
        if own:
            groups.append(WeightGroup(factor, list(own.values()), decayed))
    return groups
