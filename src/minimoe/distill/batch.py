"""A batch as encoders and losses take it, made on the host, so that nothing of a step waits for the device."""

from collections.abc import Iterable
from typing import NamedTuple

import torch
from torch import Tensor


class TokenCounts(NamedTuple):
    """What losses are averaged over: the real tokens of a whole step, its pairs of query and key, its sequences."""

    tokens: int
    pairs: int
    sequences: int

    @classmethod
    def of(cls, lengths: Iterable[int]) -> "TokenCounts":
        """Of sequences of these lengths."""
        lengths = [int(length) for length in lengths]
        return cls(sum(lengths), sum(length**2 for length in lengths), len(lengths))


class Batch(NamedTuple):
    """Sequences on their device.

    Attributes:
        inputs: what encoders are called with: ids and segments [B, T], and the mask of attention [B, 1, T, T], which is
            None where nothing is padded. From a mask [B, T] transformers would make the same, in every forward pass,
            and wait for the device to know whether anything is padded.
        mask: true at real tokens [B, T].
    """

    inputs: dict[str, Tensor | None]
    mask: Tensor

    @classmethod
    def of(cls, records: dict[str, Tensor], device: torch.device | str = "cpu") -> "Batch":
        """Of ids, mask and segments [B, T] in the host's memory, as `Records.batch` gives them."""
        mask = records["attention_mask"].bool()
        padded = not mask.all()
        device = torch.device(device)
        moved = {name: _move(values, device) for name, values in (records | {"attention_mask": mask}).items()}
        mask = moved["attention_mask"]
        attention = mask[:, None, None].expand(-1, -1, mask.shape[1], -1).contiguous() if padded else None
        return cls(moved | {"attention_mask": attention}, mask)


def _move(values: Tensor, device: torch.device) -> Tensor:
    """On the device; a GPU copies from pinned memory while the host goes on."""
    return values.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else values.to(device)
