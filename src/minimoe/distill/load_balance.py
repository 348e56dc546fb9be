"""The load balance of a student with experts, over a whole step: all its parts, on all processes.

Its fractions, the tokens sent to each expert, are counted over the whole step first; what it then adds to the loss is
linear in the tokens, so the parts add up, and a step is the same however it is shared out. In one part on every
process, the counts come with the forward pass. In several, they take a pass of their own, without gradients.
"""

from collections.abc import Iterable

import torch
from torch import Tensor

from minimoe.distill.losses import mean_load_balance, sent
from minimoe.distill.student import Routed
from minimoe.params.rounds import Distill
from minimoe.training.processes import total


class Balance:
    """What the load balance adds to a student's loss.

    Args:
        settings: the round's settings.
        accelerator: knows the other processes.
    """

    def __init__(self, settings: Distill, accelerator):
        self.settings, self.accelerator = settings, accelerator
        self._sent: list[Tensor] = []  # by the step to each expert [E], of every router, where it has parts

    def count(self, parts: Iterable[tuple[Routed, Tensor]]) -> None:
        """Count the tokens of a step in parts, from the router logits and mask [B, T] of each."""
        counts = [self._counts(routed, mask) for routed, mask in parts]
        self._sent = self._of_all([torch.stack(router).sum(0) for router in zip(*counts, strict=True)])

    def __call__(self, routed: Routed, mask: Tensor) -> Tensor | float:
        """A part's share of the step's load balance, times its weight; 0 without experts."""
        if not any(routed.values()):
            return 0.0
        tokens = self._sent or self._of_all(self._counts(routed, mask))
        return self.settings.load_balance * mean_load_balance(
            routed["attention"], routed["ffn"], self._counted(mask), tokens
        )

    def _counts(self, routed: Routed, mask: Tensor) -> list[Tensor]:
        return [sent(logits.detach(), self._counted(mask)) for logits in (*routed["attention"], *routed["ffn"])]

    def _counted(self, mask: Tensor) -> Tensor | None:
        return None if self.settings.balance_padding else mask.flatten()

    def _of_all(self, counts: list[Tensor]) -> list[Tensor]:
        """The sums over all processes."""
        if not counts:
            return counts
        return list(total(torch.cat(counts), self.accelerator).split([len(count) for count in counts]))
