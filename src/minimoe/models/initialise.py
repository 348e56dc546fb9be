"""Initialise a student: random weights, and experts cut from one wide random layer (paper §3.3)."""

import torch
from torch import Tensor

from minimoe.models.config import MiniMoEConfig
from minimoe.models.student import MiniMoEModel


def new_student(config: MiniMoEConfig, seed: int) -> MiniMoEModel:
    """A student with random weights, a function of its shape and the seed alone.

    It has no pooler: distillation does not train one, so finetuning initialises it, from the seed of its run.
    """
    with torch.random.fork_rng(devices=[]):  # the random state of the caller stays as it is
        torch.manual_seed(seed)
        model = MiniMoEModel(config, add_pooling_layer=False)
        wide = MiniMoEModel(_widened(config), add_pooling_layer=False)
        weights = experts_from_dense(wide.state_dict(), config) | _router_weights(model)
    model.load_state_dict(weights)
    return model


def experts_from_dense(dense: dict[str, Tensor], config: MiniMoEConfig) -> dict[str, Tensor]:
    """Weights of an encoder with E experts of n elements (heads or neurons), from a dense one with E·n in each layer.

    The first ⅔ n elements are copied to every expert; expert e fills up with elements e, e + E, e + 2E, … of the rest
    (paper §3.3: experts start alike, but not equal). Neurons that all tokens share are the first ones before those, and
    have the bias of the output, of which the experts then have none. The weights of routers are not returned.
    """
    weights = dict(dense)
    for layer in range(config.num_hidden_layers):
        prefix = f"encoder.layer.{layer}."
        heads, head_size = config.layer_heads[layer], config.attention_head_size
        rows = _expert_elements(config.attention_experts[layer], heads, head_size)
        for name in ("query", "key", "value"):
            _split(weights, f"{prefix}attention.self.{name}", rows, incoming=True)
        _split(weights, f"{prefix}attention.output.dense", rows, incoming=False)
        if config.ffn_shared:
            split_shared(weights, prefix, config.ffn_shared)
        rows = _expert_elements(config.ffn_experts[layer], config.expert_neurons[layer], 1)
        _split(weights, f"{prefix}intermediate.dense", rows, incoming=True)
        _split(weights, f"{prefix}output.dense", rows, incoming=False)
    return weights


def split_shared(weights: dict[str, Tensor], prefix: str, shared: int) -> None:
    """Take the first `shared` neurons, and the bias of the output, out of the dense feed-forward of a layer."""
    inner, outer = f"{prefix}intermediate.dense", f"{prefix}output.dense"
    for name in (f"{inner}.weight", f"{inner}.bias"):
        own = name.replace("intermediate.dense", "shared.intermediate")
        weights[own], weights[name] = weights[name][:shared], weights[name][shared:]
    weight, bias = weights[f"{outer}.weight"], weights[f"{outer}.bias"]
    weights[f"{prefix}shared.output.weight"], weights[f"{outer}.weight"] = weight[:, :shared], weight[:, shared:]
    weights[f"{prefix}shared.output.bias"], weights[f"{outer}.bias"] = bias, torch.zeros_like(bias)


def _expert_elements(experts: int, elements: int, size: int) -> list[Tensor]:
    """For each expert the rows [n·size] of its n elements, each of `size` rows, among E·n elements."""
    shared = elements * 2 // 3
    chosen = [
        [*range(shared), *range(shared + expert, experts * elements, experts)][:elements] for expert in range(experts)
    ]
    return [(torch.tensor(c)[:, None] * size + torch.arange(size)).flatten() for c in chosen]


def _split(weights: dict[str, Tensor], name: str, rows: list[Tensor], *, incoming: bool) -> None:
    """Replace one linear layer by experts, each with some of its outputs, or with `incoming` false, of its inputs."""
    if len(rows) == 1:
        return
    weight, bias = weights[f"{name}.weight"], weights[f"{name}.bias"]
    weights[f"{name}.weight"] = torch.stack([weight[r] if incoming else weight[:, r] for r in rows])
    weights[f"{name}.bias"] = torch.stack([bias[r] if incoming else bias for r in rows])


def _widened(config: MiniMoEConfig) -> MiniMoEConfig:
    """The dense config with the heads and neurons of all experts in each layer, and those that tokens share."""
    values = config.to_dict()
    values["layer_heads"] = [n * e for n, e in zip(config.layer_heads, config.attention_experts, strict=True)]
    experts = zip(config.expert_neurons, config.ffn_experts, strict=True)
    values["layer_neurons"] = [config.ffn_shared + neurons * count for neurons, count in experts]
    values["attention_experts"] = values["ffn_experts"] = [1] * config.num_hidden_layers
    values |= {"ffn_active": 1, "ffn_shared": 0}
    return MiniMoEConfig(**values)


def _router_weights(model: MiniMoEModel) -> dict[str, Tensor]:
    return {name: weight for name, weight in model.state_dict().items() if "_gate." in name}
