"""A family: students that share one set of weights while they train, each of them leading slices of it.

Once-for-all training is this (a member for each number of layers and width), and MiniDisc's choice of an assistant
(a member for each sparsity). A member's forward pass runs its own small encoder, made without weights of its own, on
slices of the shared ones, so that no model knows that it is shared.
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
        with torch.device("meta"):
            # in a dict of a list: the members are no submodules, they have no weights
            self._members = [
                {name: TappedStudent(MiniMoEModel(c), 0, extra_projection=width) for name, c in members.items()}
            ]

    def forward(self, member: str, **batch: Tensor) -> tuple[Taps, Routed]:
        """As `TappedStudent` of this member."""
        skeleton = self._members[0][member].train(self.training)
        weights = leading_slices(_tensors(self.whole), _tensors(skeleton))
        return functional_call(skeleton, weights, kwargs=batch)

    def member(self, name: str) -> TappedStudent:
        """This member with weights of its own, as they are now."""
        return cut_student(self.whole, self.configs[name])


def cut_student(student: TappedStudent, config: MiniMoEConfig) -> TappedStudent:
    """The student of the shape `config` inside `student`, with the extra projection as far as it reaches."""
    width = student.projection["query"].out_features
    smaller = TappedStudent(cut(student.encoder, config), 0, extra_projection=width)
    like = smaller.projection.state_dict()
    smaller.projection.load_state_dict(leading_slices(student.projection.state_dict(), like))
    return smaller.to(next(student.parameters()).device)


def _tensors(module: nn.Module) -> dict[str, Tensor]:
    return dict(module.named_parameters()) | dict(module.named_buffers())
