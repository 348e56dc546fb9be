"""Evaluation on the held-out records, and what a round knows of each student in the end.

The held-out loss is the round's, in eval mode and always exact: of the imitated layer alone, within sequences, without
ε, dropout on relations or load balance. So numbers of rounds with different settings compare, as long as teacher,
objective and relation heads are the same.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from minimoe.distill.data import Step
from minimoe.distill.learner import Learner, teacher_features
from minimoe.distill.student import RouterLogits
from minimoe.models.routing import choose
from minimoe.models.sentence import SentenceHead
from minimoe.models.student import MiniMoEModel
from minimoe.training.processes import sum_over_processes


@dataclass
class Heldout:
    """A student's loss on the held-out records, and what its routers do there."""

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


@dataclass
class StudentResult:
    """A student with its training curve, and what its round's metrics file says of it."""

    name: str
    learner: Learner
    steps: int
    records: int  # seen in training, each once an epoch
    heldout: Heldout  # the newest
    details: dict = field(default_factory=dict)  # what else its metrics say
    curve: list[dict] = field(default_factory=list)  # rows of step, train_loss, heldout_loss
    first_curve: list[dict] = field(default_factory=list)  # of the first phase, where this is the second

    @property
    def encoder(self) -> MiniMoEModel:
        """The student's encoder, as it is saved."""
        return self.learner.encoder(self.name)

    @property
    def head(self) -> SentenceHead | None:
        """What makes its sentence embeddings, where it learned those."""
        return self.learner.supernet.whole.head

    def rows(self, student: str) -> list[dict]:
        """Its curve as rows of a table; that of a first phase, whose loss is another one, under a name of its own."""
        curves = {f"{student} (first phase)": self.first_curve, student: self.curve}
        return [{"student": name, **row} for name, curve in curves.items() for row in curve]

    def add_point(self, step: int, heldout: Heldout, train_loss: float | None, tracker) -> None:
        """Add a point to the curve; `train_loss` is the mean since the point before."""
        self.heldout = heldout
        self.curve.append({"step": step, "train_loss": train_loss, "heldout_loss": heldout.loss})
        tracker.metrics(heldout.metrics(), step)

    def metrics(self) -> dict:
        """What the round's metrics file says of it."""
        values = {
            "heldout_loss": self.curve[-1]["heldout_loss"],
            "heldout_loss_initial": self.curve[0]["heldout_loss"],
            "train_loss": self.curve[-1]["train_loss"],
            "steps": self.steps,
            "records": self.records,
            "own_code": not self.encoder.config.is_plain,  # whether its folder needs the code that lies in it
        }
        if self.heldout.load:
            values |= {"expert_load": self.heldout.load, "router_entropy": self.heldout.entropy}
        return values | self.details


@torch.no_grad()
def evaluate(learners: list[Learner], teacher: Callable, records: Step, accelerator) -> dict[str, Heldout]:
    """The held-out loss of every student, and what its routers do, by name.

    Args:
        teacher: from a batch to its features.
        records: those held out.
        accelerator: knows the other processes; all get the same numbers.
    """
    sums = {name: _Sums(learner.supernet.whole.active) for learner in learners for name in learner.names}
    for batch in records.parts:
        taught = teacher_features(teacher, batch, learners, exact=True)
        for learner in learners:
            learner.supernet.eval()
            for group in learner.groups:
                for name, (features, logits) in learner.forward(group, batch).items():
                    sums[name].add(
                        learner.loss(features, taught, batch.mask, records.counts, exact=True), logits, batch.mask
                    )
    return {name: student.means(accelerator, records.counts.tokens) for name, student in sums.items()}


class _Sums:
    """Running sums of one student over held-out batches; `active`: to how many experts a token goes, by sub-layer."""

    def __init__(self, active: dict[str, int]):
        self.active = active
        self.loss: Tensor | float = 0.0
        self.chosen: dict[str, Tensor] = {}  # tokens [L, E] per sub-layer
        self.entropy: dict[str, Tensor] = {}  # nats [L] per sub-layer

    def add(self, loss: Tensor, logits: RouterLogits, mask: Tensor) -> None:
        self.loss = self.loss + loss  # already divided by the tokens of all batches
        for kind, routers in logits.items():
            if routers:
                real = torch.stack([router.float() for router in routers])[:, mask.flatten()]  # [L, N, E]
                log = real.log_softmax(-1)
                chosen = torch.zeros_like(real).scatter_(-1, choose(real, self.active[kind]), 1.0)
                self.chosen[kind] = self.chosen.get(kind, 0) + chosen.sum(1) / self.active[kind]
                self.entropy[kind] = self.entropy.get(kind, 0) - (log.exp() * log).sum((1, 2))

    def means(self, accelerator, tokens: int) -> Heldout:
        """The means over the `tokens` of all processes."""
        return Heldout(
            float(sum_over_processes(self.loss, accelerator)),
            {kind: (sum_over_processes(sums, accelerator) / tokens).tolist() for kind, sums in self.chosen.items()},
            {kind: (sum_over_processes(sums, accelerator) / tokens).tolist() for kind, sums in self.entropy.items()},
        )
