"""Sort a teacher's heads, neurons and hidden dimensions by importance.

Heads and neurons are sorted within each layer, hidden dimensions once for the whole model, so that a sparser encoder is
a leading slice of every weight. The output is put back into the teacher's own order, so that what reads it, such as the
pooler or a language model head, stays the same.

Differs because the published code also permutes the output embedding, which is tied to the input's: its logits are
wrong.
"""

import torch
from torch import Tensor
from transformers import BertModel, RobertaModel

from minimoe.models import MiniMoEModel
from minimoe.models.shapes import reordered_config
from minimoe.models.sparsity import Importance

AXES = {  # what the rows, and the columns, of a layer's weights stand for
    "attention.self.query": ("head", "hidden"),
    "attention.self.key": ("head", "hidden"),
    "attention.self.value": ("head", "hidden"),
    "attention.output.dense": ("hidden", "head"),
    "attention.output.LayerNorm": ("hidden",),
    "intermediate.dense": ("neuron", "hidden"),
    "output.dense": ("hidden", "neuron"),
    "output.LayerNorm": ("hidden",),
}


def falling(importance: Tensor) -> Tensor:
    """Indices [..., n] of the elements, the most important first; of equal ones the lower index first."""
    return importance.argsort(dim=-1, descending=True, stable=True)


def reorder(encoder: BertModel | RobertaModel, importance: Importance) -> MiniMoEModel:
    """The same function as `encoder`, with elements in falling order of importance; in eval mode."""
    config = reordered_config(encoder.config)
    weights = encoder.state_dict()
    hidden = falling(importance.hidden)
    for name in weights:
        if name.startswith("embeddings."):
            weights[name] = weights[name].index_select(-1, hidden)
    for layer in range(config.num_hidden_layers):
        heads, neurons = falling(importance.head[layer]), falling(importance.neuron[layer])
        orders = {"head": _rows(heads, config.attention_head_size), "neuron": neurons, "hidden": hidden}
        _reorder_layer(weights, f"encoder.layer.{layer}.", orders)
    model = MiniMoEModel(config, add_pooling_layer=encoder.pooler is not None).to(encoder.dtype).eval()
    model.load_state_dict(weights | {"encoder.recover_indices": hidden})
    return model


def _reorder_layer(weights: dict[str, Tensor], prefix: str, orders: dict[str, Tensor]) -> None:
    for name, axes in AXES.items():
        for part in ("weight", "bias"):
            key = f"{prefix}{name}.{part}"
            for axis, kind in enumerate(axes[: weights[key].dim()]):
                weights[key] = weights[key].index_select(axis, orders[kind])


def _rows(elements: Tensor, size: int) -> Tensor:
    """The rows [n·size] of elements that have `size` rows each."""
    return (elements[:, None] * size + torch.arange(size)).flatten()
