"""Compare an exported model with the PyTorch model that it was made from, on real examples of many shapes."""

import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from minimoe.export.graph import REMEDY
from minimoe.export.session import OnnxModel, Outputs
from minimoe.models.routing import Router
from minimoe.system.errors import UserError, readable

BOUND = 1e-4  # of the largest error of an output, relative to the largest output of its batch
# With experts, rounding may decide about a token between two of them; so few sequences may differ by more.
REROUTED = 0.02
BATCHES = (1, 3, 32)  # sequences at once
SHORT, LONGEST = 8, 512  # tokens
Batch = dict[str, Tensor]


def shapes(examples: Callable[[Sequence[int]], Batch], count: int, longest: int) -> Iterator[Batch]:
    """Batches of several sizes: of a few tokens, of examples as they are, and one sequence of the most tokens.

    Args:
        examples: gives a batch [B, T] of the examples of these numbers, each filled by a mask behind its tokens.
        count: examples there are.
        longest: tokens that the model takes.
    """
    longest = min(longest, LONGEST)
    for size in BATCHES:
        batch = examples(_evenly(count, size))
        yield {name: values[:, :SHORT] for name, values in batch.items()}
        yield batch
    many = examples(_evenly(count, min(count, longest)))
    real = many["attention_mask"].bool()
    yield {name: values[real][None, :longest] for name, values in many.items()}


def _evenly(count: int, some: int) -> list[int]:
    """So many numbers below `count`, which repeat where it is smaller."""
    return [(2 * number + 1) * count // (2 * some) for number in range(some)]


@torch.inference_mode()
def compare(model: nn.Module, exported: OnnxModel, batches: Sequence[Batch]) -> dict[str, float | int]:
    """The largest relative error of a sequence's outputs, and how many sequences took another expert by rounding.

    Padding is left out. Raises `UserError` where the error is beyond `BOUND`.
    """
    folder, found = model.config.name_or_path, []
    for batch in batches:
        shape = list(batch["input_ids"].shape)
        with readable(f"{folder}: onnxruntime cannot compute its graph for a batch of {shape}", REMEDY):
            found.append(_errors(model(**batch), exported(**batch), batch))
    errors = torch.cat(found)
    beyond = ~(errors <= BOUND)  # NaN too
    routed = any(isinstance(module, Router) for module in model.modules())
    whole = any((one > BOUND).all() for one in found)  # no sequence of a batch is right: not by rounding
    excused = math.ceil(REROUTED * len(errors)) if routed and not whole and errors.isfinite().all() else 0
    if beyond.sum() > excused:
        raise UserError(
            f"{folder}: expected its graph to give PyTorch's outputs up to a relative error of {BOUND:g}, got "
            f"{errors.max():.2g} and more than that bound in {beyond.sum()} of {len(errors)} sequences; {REMEDY}"
        )
    return {"error": errors[~beyond].max().item(), "rerouted": int(beyond.sum())}


def _errors(expected, got: Batch, batch: Batch) -> Tensor:
    """The largest error of each sequence over all outputs, relative to the largest value of an output [B]."""
    found = []
    for name, values in got.items():
        wanted, mask = expected[name], batch["attention_mask"].bool()
        real = mask[..., None] if values.dim() == 3 else torch.ones_like(mask[:, :1])
        error = ((values - wanted).abs() * real).flatten(1).amax(1)
        found.append(error / (wanted.abs() * real).max())
    return torch.stack(found).amax(0)


class Finite:
    """A graph that is called as `OnnxModel` is, whose outputs are checked.

    Args:
        exported: the graph, of the model in `source`. form: as messages name it.

    Raises:
        UserError: when called, where onnxruntime cannot compute the graph, or an output is not finite.
    """

    device = OnnxModel.device

    def __init__(self, exported: OnnxModel, source: str | Path, form: str):
        self.exported, self.graph = exported, f"its graph in {form}"
        self.source = source

    def eval(self) -> "Finite":
        """Itself: it is never in training."""
        return self

    def __call__(self, input_ids: Tensor, **inputs: Tensor) -> Outputs:
        """Inputs [B, T] → outputs."""
        shape = list(input_ids.shape)
        with readable(f"{self.source}: onnxruntime cannot compute {self.graph} for a batch of {shape}", REMEDY):
            made = self.exported(input_ids, **inputs)
        if not all(values.isfinite().all() for values in made.values()):
            raise UserError(
                f"{self.source}: expected finite outputs of {self.graph}, got NaN or infinity for a batch of {shape}; "
                f"{REMEDY}"
            )
        return made


@torch.inference_mode()
def cosine(exported: OnnxModel | Finite, other: OnnxModel | Finite, batches: Sequence[Batch]) -> float:
    """The mean cosine between the last outputs of two graphs: sentence embeddings, or else states of all tokens."""
    found = []
    for batch in batches:
        one, two = (list(model(**batch).values())[-1].double() for model in (exported, other))
        similar = nn.functional.cosine_similarity(one, two, dim=-1)
        found.append(similar[batch["attention_mask"].bool()] if similar.dim() == 2 else similar)
    return torch.cat(found).mean().item()
