"""Read what the metrics of a round say of a student."""

from collections.abc import Mapping
from pathlib import Path

from minimoe.params.rounds import Distill, Round
from minimoe.report.metrics import Metrics
from minimoe.report.models import Model, describe, is_chosen, is_teacher

PARTS = {"attention", "ffn"}  # sub-layers with experts


def read_model(root: Path, name: str, rounds: Mapping[str, Round], distill: Distill, seed: int) -> Model:
    """A row of the table, with what metrics/distill has for it. seed: the run's."""
    if is_teacher(name):
        return Model(name)
    round_, _, student = name.partition("/")
    metrics = Metrics.read(root / f"metrics/distill/{round_}.json", f"distill@{round_}").part(student)
    for key in ("steps", "heldout_loss", *(["sparsity"] if is_chosen(name, rounds) else [])):
        metrics.number(key, low=0)
    _check_further(metrics)
    return describe(name, rounds, distill, metrics.values, seed)


def _check_further(metrics: Metrics) -> None:
    """What only some students have: shares of experts [L, E], entropies [L], what an assistant was chosen among."""
    loads = metrics.part("expert_load").by_key() if metrics.has("expert_load") else {}
    if not loads.keys() <= PARTS:
        metrics.refuse("expert_load", f"expected {' and '.join(sorted(PARTS))}, found {', '.join(loads)}")
    for part, layers in loads.items():
        shares = [[share.as_number(0, 1) for share in layer.parts()] for layer in layers.parts()]
        if len({len(layer) for layer in shares}) > 1:
            layers.refuse("", "expected as many experts in every layer, got others")
        _check_entropy(metrics, part, len(shares))
    candidates = metrics.part("candidates").by_key() if metrics.has("candidates") else {}
    if not all(sparsity.isdecimal() for sparsity in candidates):
        metrics.refuse("candidates", f"expected sparsities in %, found {', '.join(candidates)}")
    for candidate in candidates.values():
        for key in ("heldout_loss", "metric", "score"):
            candidate.number(key)


def _check_entropy(metrics: Metrics, part: str, layers: int) -> None:
    """The routers' entropies of a sub-layer, where they are there."""
    entropies = metrics.part("router_entropy") if metrics.has("router_entropy") else None
    if entropies and entropies.has(part):
        values = [entropy.as_number(low=0) for entropy in entropies.part(part).parts()]
        if len(values) != layers:
            entropies.refuse(part, f"expected {layers} numbers, one a layer, got {len(values)}")
