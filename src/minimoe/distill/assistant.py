"""The choice of an assistant in one trial (MiniDisc, arXiv 2205.14570, §3).

All candidates, the sparsified teacher at each sparsity, learn at once on shared weights. Each scores what it explains
of the teacher plus λ · sparsity: an assistant should be as good and as small as it can. The best one teaches the
students of the round, which are cut from it.

What a candidate explains is 1 − its held-out loss / that of uniform relations: 1 for the teacher's own, 0 for none.
Differs because the published metric is a task's, and no task is at hand while a corpus is distilled.
"""

from collections.abc import Callable

import torch

from minimoe.distill.learner import Learner
from minimoe.distill.loop import Pass
from minimoe.distill.losses import minilm, totals
from minimoe.distill.outcome import Outcome
from minimoe.distill.start import Start
from minimoe.resume.checkpoints import Checkpoints
from minimoe.system.errors import UserError
from minimoe.training.processes import total


def choose(over: Pass, start: Start, teacher: Callable, *, below: int, tracker, checkpoints: Checkpoints) -> Outcome:
    """Train the candidates of a sparsity lower than `below`, and return the best one's outcome.

    Args:
        teacher: from a batch to its taps.
        tracker: where the candidates' curves go, each under its sparsity.
        checkpoints: of the candidates' training; they end with its last state, so that it is done once.
    """
    family = start.sparsities(below).to(over.accelerator.device)
    trackers = {name: _Prefixed(tracker, f"sparsity_{name}/") for name in family.configs}
    if set(trackers) == {"0"}:
        known = start.sparsified.sparsities
        raise UserError(f"sparsify.sparsities: expected some between 0 and {below} for an assistant, got {known}")
    learner = Learner(family, over.settings, over.steps, over.seed, over.accelerator)
    outcomes = over.run([learner], teacher, trackers, checkpoints)
    unexplained = _uniform_loss(over, teacher)
    candidates = {}
    for name, outcome in outcomes.items():
        metric = 1 - outcome.heldout.loss / unexplained
        score = metric + over.settings.assistant_tradeoff * int(name) / 100
        candidates[name] = {"heldout_loss": outcome.heldout.loss, "metric": metric, "score": score}
    best = max((name for name in candidates if name != "0"), key=lambda name: (candidates[name]["score"], int(name)))
    outcomes[best].about = {"sparsity": int(best), "candidates": candidates}
    return outcomes[best]


@torch.no_grad()
def _uniform_loss(over: Pass, teacher: Callable) -> float:
    """The held-out loss of a student whose every relation is uniform."""
    settings = over.settings
    tokens = totals(over.heldout, over.accelerator).tokens
    loss = 0.0
    for batch in over.heldout:
        mask = batch["attention_mask"].bool()
        nothing = [torch.zeros(*mask.shape, settings.relation_heads, device=mask.device)] * 3
        loss += minilm(
            nothing, teacher(batch), mask, settings.relation_heads,
            tokens=tokens, weights=settings.relation_weights,
        ).item()  # fmt: skip
    return total(torch.tensor(loss, dtype=torch.float64, device=over.accelerator.device), over.accelerator).item()


class _Prefixed:
    """A tracker under whose names every metric gets a prefix."""

    def __init__(self, tracker, prefix: str):
        self.tracker, self.prefix = tracker, prefix

    def metrics(self, values: dict[str, float], step: int = 0) -> None:
        self.tracker.metrics({self.prefix + key: value for key, value in values.items()}, step)

    def flush(self) -> None:
        """Send what is waiting."""
        self.tracker.flush()
