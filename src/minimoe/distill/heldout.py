"""The held-out loss: the objective on records that no student trains on, in eval mode.

Always exact (no ε, no dropout, no load balance), so that numbers of rounds with different settings compare, as long as
teacher, objective and relation heads are the same.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from minimoe.distill.learner import Learner, share
from minimoe.distill.losses import totals
from minimoe.training.processes import total


@dataclass
class Heldout:
    """What a student reaches on the held-out records."""

    loss: float
    load: dict[str, list[list[float]]] = field(default_factory=dict)  # share of tokens, [L][E] per sub-layer
    entropy: dict[str, list[float]] = field(default_factory=dict)  # of the router, nats, [L] per sub-layer

    def metrics(self) -> dict[str, float]:
        """Flat, for the tracker."""
        flat = {"heldout_loss": self.loss}
        for kind, layers in self.load.items():
            for layer, shares in enumerate(layers):
                flat |= {f"expert_load/{kind}/layer_{layer}/expert_{e}": share for e, share in enumerate(shares)}
        for kind, layers in self.entropy.items():
            flat |= {f"router_entropy/{kind}/layer_{layer}": value for layer, value in enumerate(layers)}
        return flat


class _Sums:
    """Running sums of one student over the held-out batches."""

    def __init__(self):
        self.loss: Tensor | float = 0.0
        self.chosen: dict[str, Tensor] = {}
        self.entropy: dict[str, Tensor] = {}

    def add(self, loss: Tensor, routed: dict[str, list[Tensor]], mask: Tensor) -> None:
        self.loss = self.loss + loss
        for kind, routers in routed.items():
            if routers:
                logits = torch.stack([r.float() for r in routers])[:, mask.flatten()]  # [L, N, E]
                log = logits.log_softmax(-1)
                chosen = torch.zeros_like(logits).scatter_(-1, logits.argmax(-1, keepdim=True), 1.0)
                self.chosen[kind] = self.chosen.get(kind, 0) + chosen.sum(1)
                self.entropy[kind] = self.entropy.get(kind, 0) - (log.exp() * log).sum((1, 2))

    def over(self, accelerator, tokens: int) -> Heldout:
        """The means over the `tokens` of all processes."""
        return Heldout(
            float(total(self.loss, accelerator)),
            {kind: (total(chosen, accelerator) / tokens).tolist() for kind, chosen in self.chosen.items()},
            {kind: (total(entropy, accelerator) / tokens).tolist() for kind, entropy in self.entropy.items()},
        )


@torch.no_grad()
def measure(
    learners: list[Learner], teacher: Callable, batches: list[dict[str, Tensor]], accelerator
) -> dict[str, Heldout]:
    """The held-out loss of every student, and what its routers do, by name.

    Args:
        teacher: from a batch to its taps.
        batches: this process's share: ids, mask, segments [B, T] each, on the device.
        accelerator: knows the other processes; all get the same numbers.
    """
    sums = {name: _Sums() for learner in learners for name in learner.names}
    everything = totals(batches, accelerator)
    for batch in batches:
        mask = batch["attention_mask"].bool()
        taps = share(teacher(batch), batch, learners)
        for learner in learners:
            learner.student.eval()
            for names in learner.together:
                for name, (own, routed) in learner.run(names, batch).items():
                    sums[name].add(learner.loss(own, taps, mask, everything, exact=True), routed, mask)
    return {name: sum_.over(accelerator, everything.tokens) for name, sum_ in sums.items()}
