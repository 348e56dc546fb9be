"""A supernet: one set of weights, and the students inside it (subnets), each made of leading slices of the weights.

Once-for-all training has a subnet for each number of layers and width, MiniDisc's choice of an assistant one for each
sparsity. An ordinary student is a supernet with one subnet, which is all of it.

Of several subnets, each runs in a skeleton: an encoder of its shape without weights of its own, called with slices of
the shared ones, so that no model knows that it is shared. Subnets of one width that are the leading layers of each
other may run as a group, in the skeleton of the deepest.
"""

import torch
from torch import Tensor, nn
from torch.func import functional_call

from minimoe.distill.losses import Features
from minimoe.distill.student import RouterLogits, StudentWithFeatures
from minimoe.models.config import MiniMoEConfig
from minimoe.models.slices import cut, leading_slices
from minimoe.models.student import MiniMoEModel

# Devices where gradients of embeddings are sparse, which are cheaper to add in place. A GPU would wait to leave padding
# out of one, and add it up in any order.
SPARSE = ("cpu",)
Outputs = dict[str, tuple[Features, RouterLogits]]  # of subnets by their names


class Supernet(nn.Module):
    """Students inside one set of weights.

    Args:
        whole: all of the weights. Where there are several subnets, it has an extra projection, which they share.
        subnets: their shapes by name; the last must reach every weight, as processes share gradients after it.
        groups: names of the subnets that run together, each the leading layers of the next; the last name is the last
            subnet's. Default: every subnet runs alone.
    """

    def __init__(
        self,
        whole: StudentWithFeatures,
        subnets: dict[str, MiniMoEConfig],
        groups: list[tuple[str, ...]] | None = None,
    ):
        super().__init__()
        self.whole, self.subnets = whole, subnets
        self.groups = groups or [(name,) for name in subnets]
        self._skeletons: list[dict[tuple[str, ...], EarlyExits]] = [{}]  # hidden from nn.Module: they have no weights
        if len(subnets) > 1:
            width = whole.projection["query"].out_features
            with torch.device("meta"):
                self._skeletons[0] = {
                    group: EarlyExits({name: subnets[name] for name in group}, width) for group in self.groups
                }

    def forward(self, group: tuple[str, ...], **batch: Tensor) -> Outputs:
        """Run one of `groups` on ids, mask and segments [B, T]: what `StudentWithFeatures` returns, by subnet."""
        if len(self.subnets) == 1:
            return {group[0]: self.whole(**batch)}
        skeleton = self._skeletons[0][group].train(self.training)
        weights = _tensors(self.whole)
        # Autograd would give each gradient of a slice the shape of the whole weight, nearly all of it zeros, so groups
        # add theirs in place. The last one does it autograd's way: that tells DDP that the gradients are complete.
        if group != self.groups[-1] and torch.is_grad_enabled():
            words = self.whole.encoder.embeddings.word_embeddings.weight
            skeleton.encoder.embeddings.word_embeddings.sparse = words.device.type in SPARSE
            weights = {name: _InPlace.apply(weights[name], like.shape) for name, like in _tensors(skeleton).items()}
        else:
            weights = leading_slices(weights, _tensors(skeleton))
        return functional_call(skeleton, weights, kwargs=batch)

    @property
    def layers(self) -> list[nn.Module]:
        """The layers of the encoders that run: of the student, or of all skeletons."""
        encoders = [self.whole] if len(self.subnets) == 1 else self._skeletons[0].values()
        return [layer for encoder in encoders for layer in encoder.layers]

    def subnet(self, name: str) -> StudentWithFeatures:
        """This subnet: the whole where it is the only one, else with weights of its own, as they are now."""
        return self.whole if len(self.subnets) == 1 else cut_student(self.whole, self.subnets[name])


class EarlyExits(StudentWithFeatures):
    """Subnets of one width in one encoder, each of which ends at its own depth: the layers they share run once.

    Args:
        subnets: their shapes by name, the deepest last.
        width: of the extra projection.
    """

    def __init__(self, subnets: dict[str, MiniMoEConfig], width: int):
        *_, deepest = subnets.values()
        super().__init__(MiniMoEModel(deepest, add_pooling_layer=False), 0, extra_projection=width)
        self.subnets = subnets

    def forward(self, **batch: Tensor) -> Outputs:
        """As `StudentWithFeatures`, of each subnet."""
        output = self.encoder(**batch, output_hidden_states=len(self.subnets) > 1)
        *shallow, deepest = self.subnets
        exits = {name: self._exit(output.hidden_states, self.subnets[name]) for name in shallow}
        exits[deepest] = output.last_hidden_state
        return {name: (self.project(hidden), {"attention": [], "ffn": []}) for name, hidden in exits.items()}

    def _exit(self, states: tuple[Tensor, ...], config: MiniMoEConfig) -> Tensor:
        """Last hidden states [B, T, D] of a subnet; of idle layers above its depth, if it has any, the LayerNorms."""
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


def cut_student(student: StudentWithFeatures, config: MiniMoEConfig) -> StudentWithFeatures:
    """The student of the shape `config` inside `student`, with the extra projection as far as it reaches."""
    width = student.projection["query"].out_features
    smaller = StudentWithFeatures(cut(student.encoder, config), 0, extra_projection=width)
    like = smaller.projection.state_dict()
    smaller.projection.load_state_dict(leading_slices(student.projection.state_dict(), like))
    return smaller.to(next(student.parameters()).device)


def _tensors(module: nn.Module) -> dict[str, Tensor]:
    return dict(module.named_parameters()) | dict(module.named_buffers())
