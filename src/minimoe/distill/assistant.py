"""The choice of a teacher assistant in one trial (MiniDisc, arXiv 2205.14570, §3).

All candidates, the sparsified teacher at each sparsity, learn at once on shared weights. Each scores what it explains
of the teacher plus λ · sparsity: an assistant should be as good and as small as it can. The best one teaches the
students of the round, which are cut from it.

What a candidate explains is 1 − its held-out loss / that of uniform relations: 1 for the teacher's own, 0 for none.
Differs because the published metric is a task's, and no task is at hand while a corpus is distilled.
"""

from collections.abc import Callable

import torch

from minimoe.distill.batch import Batch
from minimoe.distill.data import RoundData
from minimoe.distill.heldout import StudentResult
from minimoe.distill.learner import Learner
from minimoe.distill.loop import TrainingLoop
from minimoe.distill.losses import Features, minilm
from minimoe.distill.start import StudentFactory
from minimoe.distill.student import StudentWithFeatures
from minimoe.resume.checkpoints import Checkpoints
from minimoe.system.errors import UserError
from minimoe.training.compiled import compile_layers
from minimoe.training.optim import autocast
from minimoe.training.processes import sum_over_processes


def choose_assistant(
    data: RoundData,
    factory: StudentFactory,
    teacher: Callable,
    *,
    below: int,
    tracker,
    checkpoints: Checkpoints,
    log_every: int,
    compiled: bool,
) -> StudentResult:
    """Train the candidates of a sparsity lower than `below`, and return the best one's result.

    Args:
        teacher: from a batch to its features.
        tracker: where the candidates' curves go, each under its sparsity.
        checkpoints: of the candidates' training; they end with its last state, so that it is done once.
        log_every: steps between two points of the training curves.
        compiled: whether the candidates run compiled.
    """
    candidates = factory.sparsities(below).to(data.accelerator.device)
    trackers = {name: Prefixed(tracker, f"sparsity_{name}/") for name in candidates.subnets}
    if set(trackers) == {"0"}:
        known = factory.sparsified.sparsities
        raise UserError(f"sparsify.sparsities: expected some between 0 and {below} for an assistant, got {known}")
    learner = Learner(candidates, data.settings, data.steps, data.seed, data.accelerator, compiled=compiled)
    results = TrainingLoop(data, [learner], teacher, trackers, checkpoints, log_every).run()
    unexplained = _uniform_loss(data, teacher)
    scores = {}
    for name, result in results.items():
        metric = 1 - result.heldout.loss / unexplained
        score = metric + data.settings.assistant_tradeoff * int(name) / 100
        scores[name] = {"heldout_loss": result.heldout.loss, "metric": metric, "score": score}
    best = max((name for name in scores if name != "0"), key=lambda name: (scores[name]["score"], int(name)))
    results[best].details = {"sparsity": int(best), "candidates": scores}
    return results[best]


class AssistantTeacher:
    """An assistant as the teacher of a round.

    Args:
        student: the assistant, which is frozen.
        precision: of its forward pass. compiled: whether its layers run compiled.
    """

    def __init__(self, student: StudentWithFeatures, precision: str, *, compiled: bool = False):
        self.student, self.precision = student.eval().requires_grad_(False), precision
        if compiled:
            compile_layers(student.layers)

    @torch.no_grad()
    def __call__(self, batch: Batch) -> Features:
        """Sequences [B, T] → features of its extra projection [B, T, D]."""
        with autocast(batch.mask.device, self.precision):
            features, _ = self.student(**batch.inputs)
        return features


@torch.no_grad()
def _uniform_loss(data: RoundData, teacher: Callable) -> float:
    """The held-out loss of a student whose every relation is uniform: all its projections are zero."""
    settings, accelerator = data.settings, data.accelerator
    loss = 0.0
    for batch in data.heldout.parts:
        zeros = [torch.zeros(*batch.mask.shape, settings.relation_heads, device=batch.mask.device)] * 3
        loss += minilm(
            zeros, teacher(batch), batch.mask, settings.relation_heads,
            tokens=data.heldout.counts.tokens, weights=settings.relation_weights,
        ).item()  # fmt: skip
    return sum_over_processes(torch.tensor(loss, dtype=torch.float64, device=accelerator.device), accelerator).item()


class Prefixed:
    """A tracker under whose names every metric gets a prefix."""

    def __init__(self, tracker, prefix: str):
        self.tracker, self.prefix = tracker, prefix

    def metrics(self, values: dict[str, float], step: int = 0) -> None:
        """Record them, under their longer names."""
        self.tracker.metrics({self.prefix + key: value for key, value in values.items()}, step)

    def flush(self) -> None:
        """Flush the tracker."""
        self.tracker.flush()
