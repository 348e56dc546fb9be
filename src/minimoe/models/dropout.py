"""Dropout that is cheap on the CPU, where torch's draws a number of its own for every element, one after another.

Here an element gets 16 bits of a long row of random words, so p is a multiple of 1/65536, and what is kept is scaled by
the p that is used. The words are numpy's, three times as fast as torch's, from a seed that torch draws, so that its
random state decides. Elsewhere dropout is torch's.
"""

import numpy as np
import torch
from torch import Tensor, nn

LEVELS = 1 << 16
WORD = {2: torch.int16, 4: torch.int32, 8: torch.int64}  # by bytes


class Dropout(nn.Dropout):
    """As `nn.Dropout`."""

    def forward(self, x: Tensor) -> Tensor:
        """Any shape; while training, elements are zero with probability p, the others scaled to keep the mean."""
        if not self.training or not self.p or x.device.type != "cpu":
            return super().forward(x)
        return drop(x, self.p)


def drop(x: Tensor, p: float) -> Tensor:
    """Dropout of a tensor on the CPU, with probability p rounded to a multiple of 1/65536."""
    level = round(p * LEVELS)
    return _Drop.apply(x, level) * _scale(level) if level else x


def attend(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, dropout: float, scale: float) -> Tensor:
    """Attention with dropout on its probabilities, for the CPU, whose fused kernels have none.

    Args:
        query, key, value: [B, H, T, d].
        mask: true at keys that count, broadcast to [B, H, T, T].

    Returns:
        Context [B, T, H, d].
    """
    scores = (query * scale) @ key.transpose(-1, -2)
    if mask is not None:
        scores = scores.masked_fill(~mask, torch.finfo(scores.dtype).min)
    weights, level = scores.softmax(-1), round(dropout * LEVELS)
    if level:
        weights = _Drop.apply(weights, level)
    return (weights @ value * _scale(level)).transpose(1, 2)  # scaled where there are fewer numbers


def _scale(level: int) -> float:
    return LEVELS / (LEVELS - level) if level < LEVELS else 0.0


class _Drop(torch.autograd.Function):
    """Dropout that leaves what is kept as it is.

    Zeros are made by a mask, a word of bits or of none, since a fill by booleans takes several times as long.
    """

    @staticmethod
    def forward(ctx, x: Tensor, level: int) -> Tensor:
        words = np.random.SFC64(int(torch.randint(2**63 - 1, ()))).random_raw((x.numel() + 3) // 4)
        kept = torch.from_numpy(words.view(np.int16))[: x.numel()].view(x.shape).gt_(level - 1 - LEVELS // 2).neg_()
        ctx.save_for_backward(kept)
        return _masked(x, kept)

    @staticmethod
    def backward(ctx, grad: Tensor) -> tuple[Tensor, None]:
        (kept,) = ctx.saved_tensors
        return _masked(grad, kept), None


def _masked(x: Tensor, bits: Tensor) -> Tensor:
    """Zero where the mask has no bits; its 16 bits are extended by their sign."""
    kind = WORD[x.dtype.itemsize]
    return (x.contiguous().view(kind) & bits.to(kind)).view(x.dtype)
