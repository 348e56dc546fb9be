"""A family: students that share one set of weights while they train, each of them leading slices of it.

Once-for-all training is this (a member for each number of layers and width), and MiniDisc's choice of an assistant
(a member for each sparsity). A member's forward pass runs its own small encoder, made without weights of its own, on
slices of the shared ones, so that no model knows that it is shared.

Autograd's own slices would give every member's gradients the shape of the shared weights, nearly all of it zeros, so
members add theirs where they belong. The last does it autograd's way: that tells processes to share the gradients.
"""

import torch
from torch import Tensor, nn
from torch.func import functional_call

from minimoe.distill.objectives import Taps
from minimoe.distill.student import Routed, TappedStudent
from minimoe.models.config import MiniMoEConfig
from minimoe.models.slices import cut, leading_slices
from minimoe.models.student import MiniMoEModel


class Family(nn.Module):
    """Students inside one encoder.

    Args:
        encoder: it holds every member.
        members: their shapes by name; the last must reach every weight, as processes share gradients after it.
        seed: of the extra projection, which all members share: every member's relations have the encoder's width.
    """

    def __init__(self, encoder: MiniMoEModel, members: dict[str, MiniMoEConfig], seed: int):
        super().__init__()
        width = encoder.config.hidden_size
        self.whole = TappedStudent(encoder, seed, extra_projection=width)
        self.configs = members
        *self._inner, _ = members  # of these, gradients are added in place
        with torch.device("meta"):
            # in a dict of a list: the members are no submodules, they have no weights
            self._members = [
                {name: TappedStudent(MiniMoEModel(c), 0, extra_projection=width) for name, c in members.items()}
            ]
        for name in self._inner:
            self._members[0][name].encoder.embeddings.word_embeddings.sparse = True

    def forward(self, member: str, **batch: Tensor) -> tuple[Taps, Routed]:
        """As `TappedStudent` of this member."""
        skeleton = self._members[0][member].train(self.training)
        weights = _tensors(self.whole)
        if member in self._inner and torch.is_grad_enabled():
            weights = {name: _InPlace.apply(weights[name], like.shape) for name, like in _tensors(skeleton).items()}
        else:
            weights = leading_slices(weights, _tensors(skeleton))
        return functional_call(skeleton, weights, kwargs=batch)

    def member(self, name: str) -> TappedStudent:
        """This member with weights of its own, as they are now."""
        return cut_student(self.whole, self.configs[name])


class _InPlace(torch.autograd.Function):
    """The leading slice of a weight, in this shape; its gradient is added to that slice of the weight's."""

    @staticmethod
    def forward(ctx, weight: Tensor, shape: torch.Size) -> Tensor:
        ctx.weight, ctx.at = weight, tuple(slice(0, size) for size in shape)
        return weight[ctx.at]

    @staticmethod
    def backward(ctx, grad: Tensor) -> tuple[None, None]:
        weight = ctx.weight
        if weight.requires_grad:
            weight.grad = torch.zeros_like(weight) if weight.grad is None else weight.grad
            weight.grad[ctx.at].add_(grad)  # also where `grad` is sparse: of the embeddings that were looked up
        return None, None


def cut_student(student: TappedStudent, config: MiniMoEConfig) -> TappedStudent:
    """The student of the shape `config` inside `student`, with the extra projection as far as it reaches."""
    width = student.projection["query"].out_features
    smaller = TappedStudent(cut(student.encoder, config), 0, extra_projection=width)
    like = smaller.projection.state_dict()
    smaller.projection.load_state_dict(leading_slices(student.projection.state_dict(), like))
    return smaller.to(next(student.parameters()).device)


def _tensors(module: nn.Module) -> dict[str, Tensor]:
    return dict(module.named_parameters()) | dict(module.named_buffers())
