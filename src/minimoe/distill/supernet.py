"""A family: students that share one set of weights while they train, each of them leading slices of it.

Once-for-all training is this (a member for each number of layers and width), and MiniDisc's choice of an assistant
(a member for each sparsity). Members run in small encoders made without weights of their own, on slices of the shared
ones, so that no model knows that it is shared. Members of one width that are leading layers of each other may run as
one, each ending at its own depth.

Autograd's own slices would give every member's gradients the shape of the shared weights, nearly all of it zeros, so
members add theirs where they belong. The last does it autograd's way: that tells processes to share the gradients.
"""

import torch
from torch import Tensor, nn
from torch.func import functional_call

from minimoe.distill.losses import Taps
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
        together: names of members that run as one, each the leading layers of the next; the last name is the members'.
            Default: every member runs alone.
    """

    def __init__(
        self,
        encoder: MiniMoEModel,
        members: dict[str, MiniMoEConfig],
        seed: int,
        together: list[tuple[str, ...]] | None = None,
    ):
        super().__init__()
        width = encoder.config.hidden_size
        self.whole = TappedStudent(encoder, seed, extra_projection=width)
        self.configs = members
        self.together = together or [(name,) for name in members]
        with torch.device("meta"):
            # in a dict of a list: they are no submodules, they have no weights
            self._runs = [{names: Depths({n: members[n] for n in names}, width) for names in self.together}]
        for names in self.together[:-1]:  # of these, gradients are added in place
            self._runs[0][names].encoder.embeddings.word_embeddings.sparse = True

    def forward(self, names: tuple[str, ...], **batch: Tensor) -> dict[str, tuple[Taps, Routed]]:
        """As `TappedStudent`, of each of these members, which run as one."""
        skeleton = self._runs[0][names].train(self.training)
        weights = _tensors(self.whole)
        if names != self.together[-1] and torch.is_grad_enabled():
            weights = {name: _InPlace.apply(weights[name], like.shape) for name, like in _tensors(skeleton).items()}
        else:
            weights = leading_slices(weights, _tensors(skeleton))
        return functional_call(skeleton, weights, kwargs=batch)

    def member(self, name: str) -> TappedStudent:
        """This member with weights of its own, as they are now."""
        return cut_student(self.whole, self.configs[name])


class Depths(TappedStudent):
    """Students of one width in one encoder, each ending at its own depth: the layers they share run once.

    Args:
        members: their shapes by name, the deepest last.
        width: of the extra projection.
    """

    def __init__(self, members: dict[str, MiniMoEConfig], width: int):
        *_, deepest = members.values()
        super().__init__(MiniMoEModel(deepest, add_pooling_layer=False), 0, extra_projection=width)
        self.members = members

    def forward(self, **batch: Tensor) -> dict[str, tuple[Taps, Routed]]:
        """As `TappedStudent`, of each member."""
        output = self.encoder(**batch, output_hidden_states=len(self.members) > 1)
        *shallow, deepest = self.members
        ends = {name: self._end(output.hidden_states, self.members[name]) for name in shallow}
        ends[deepest] = output.last_hidden_state
        return {name: (self.project(hidden), {"attention": [], "ffn": []}) for name, hidden in ends.items()}

    def _end(self, states: tuple[Tensor, ...], config: MiniMoEConfig) -> Tensor:
        """Last hidden states [B, T, D] of a member: of layers above its depth it has the norms, or nothing."""
        depth = sum(heads > 0 for heads in config.layer_heads)
        hidden = states[depth]
        for layer in self.encoder.encoder.layer[depth : config.num_hidden_layers]:
            hidden = layer.output.LayerNorm(layer.attention.output.LayerNorm(hidden))
        return hidden


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
