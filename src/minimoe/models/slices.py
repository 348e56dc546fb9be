"""Cut smaller encoders out of a larger one: every weight is a leading slice of the larger one's.

Sparse students are slices of a teacher whose heads, neurons and hidden dimensions are sorted by importance.
Once-for-all students (subnets) are slices of the one set of weights that they share (the supernet).
"""

from torch import Tensor

from minimoe.models.config import MiniMoEConfig
from minimoe.models.student import MiniMoEModel


def leading_slices(weights: dict[str, Tensor], like: dict[str, Tensor]) -> dict[str, Tensor]:
    """For every name in `like` the leading part of that weight in `like`'s shape: views, through which gradients flow.

    Raises `KeyError` for a weight that is not there, `ValueError` for one that is too small.
    """
    slices = {}
    for name, smaller in like.items():
        whole = weights[name]
        if whole.dim() != smaller.dim() or any(a < b for a, b in zip(whole.shape, smaller.shape, strict=True)):
            raise ValueError(f"{name}: expected at least {tuple(smaller.shape)}, got {tuple(whole.shape)}")
        slices[name] = whole[tuple(slice(0, size) for size in smaller.shape)]
    return slices


def cut(model: MiniMoEModel, config: MiniMoEConfig) -> MiniMoEModel:
    """Copy the encoder of the shape `config` out of `model`."""
    smaller = MiniMoEModel(config, add_pooling_layer=model.pooler is not None)
    smaller.load_state_dict(leading_slices(model.state_dict(), smaller.state_dict()))
    return smaller.to(model.dtype).train(model.training)
