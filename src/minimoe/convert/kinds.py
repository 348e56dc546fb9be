"""Recognise the kind of a released checkpoint by what it holds beside a stock encoder.

A kind's marks are the parts beside the encoder, such as the projection that only distillation uses, and the
config's keys that change the encoder's shape. They must be met exactly: a checkpoint with one part more or less is of
another kind, or of none. (A TinyBERT student as wide as its teacher has no part beside its encoder, and is a minilm.)
"""

from collections.abc import Callable
from dataclasses import dataclass

from transformers import PreTrainedModel

from minimoe.convert.encoders import SUBNET, experts, once_for_all, sparse, stock
from minimoe.convert.released import BACKBONES, Released

EXPERTS = "config moe"
SUBNETS = "config sparsity_map of 'layers,hidden'"
PLACES = "recover_indices"
PROJECTION = "the projection self.*, which only distillation uses"


@dataclass(frozen=True)
class Kind:
    """One kind of released checkpoint.

    Args:
        name: as the authors name their releases.
        marks: what it has beside a stock encoder.
        encoders: makes its models, by the sub-folder each is written to.
        backbones: the `model_type`s it comes in.
        left_out: what of it is not converted, and why.
        kept: keys of its config that get a JSON file of their own.
    """

    name: str
    marks: frozenset[str]
    encoders: Callable[[Released], dict[str, PreTrainedModel]]
    backbones: tuple[str, ...] = ("bert",)
    left_out: str = ""
    kept: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.name} ({' | '.join(self.backbones)}; {_listed(self.marks)})"


KINDS = (
    Kind("minilm", frozenset(), stock, backbones=tuple(BACKBONES)),
    Kind(
        "tinybert",
        frozenset({"hidden_transform.*"}),
        stock,
        left_out="the map to its teacher's width hidden_transform.*, which only distillation uses",
    ),
    Kind("minimoe", frozenset({EXPERTS, "self.*"}), experts, left_out=PROJECTION),
    Kind(
        "sparsebert",
        frozenset({PLACES, "cls.*"}),
        sparse,
        left_out="its MLM head cls.*, whose output embedding was reordered with the input's and no longer fits it",
        kept=("sparsity_map",),
    ),
    Kind("sparsebert-minilm", frozenset({PLACES, "self.*"}), sparse, left_out=PROJECTION),
    Kind("ofabert-minilm", frozenset({PLACES, "self.*", SUBNETS}), once_for_all, left_out=PROJECTION),
)


def kind_of(released: Released) -> Kind:
    """The kind of a released checkpoint; `UserError` with all known ones where it is none of them."""
    marks = _marks(released)
    for kind in KINDS:
        if released.backbone in kind.backbones and marks == kind.marks:
            return kind
    known = "; ".join(map(str, KINDS))
    raise released.error(f"unknown kind of checkpoint ({released.backbone}; {_listed(marks)}); known are: {known}")


def _marks(released: Released) -> frozenset[str]:
    parts = {f"{name.split('.')[0]}.*" for name in released.weights}
    marks = parts - {f"{released.prefix}*"}
    if f"{released.prefix}{PLACES}" in released.weights:
        marks.add(PLACES)
    if "moe" in released.config:
        marks.add(EXPERTS)
    sparsities = released.config.get("sparsity_map")
    if isinstance(sparsities, dict) and any(map(SUBNET.fullmatch, sparsities)):
        marks.add(SUBNETS)
    return frozenset(marks)


def _listed(marks: frozenset[str]) -> str:
    return f"encoder with {', '.join(sorted(marks))}" if marks else "encoder alone"
