"""Fast dropout on the CPU: 16 random bits decide about each element.

PyTorch's own dropout draws a random number for each element there, one after another. With 16 bits p is a multiple of
1/65536; kept elements are scaled by the rounded p, so the mean stays exact. The bits come from numpy's generator, three
times as fast as PyTorch's, and seeded by PyTorch's, so that `torch.manual_seed` decides them. On other devices this is
PyTorch's dropout.
"""

import numpy as np
import torch
from torch import Tensor, nn

LEVELS = 1 << 16  # p is a multiple of 1 / LEVELS
WORD = {2: torch.int16, 4: torch.int32, 8: torch.int64}  # the integer type as wide as an element, by bytes


class Dropout(nn.Dropout):
    """`nn.Dropout`, faster on the CPU."""

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
    """Scaled dot-product attention with dropout on the probabilities, for the CPU: fused kernels there have no dropout.

    Args:
        query, key, value: [B, H, T, d].
        mask: true at keys to attend to, broadcast to [B, H, T, T].
        dropout: probability. scale: of the logits.

    Returns:
        Context [B, T, H, d].
    """
    scores = (query * scale) @ key.transpose(-1, -2)
    if mask is not None:
        scores = scores.masked_fill(~mask, torch.finfo(scores.dtype).min)
    weights, level = scores.softmax(-1), round(dropout * LEVELS)
    if level:
        weights = _Drop.apply(weights, level)
    return (weights @ value * _scale(level)).transpose(1, 2)  # scaled after the product: d numbers a row, not T


def _scale(level: int) -> float:
    return LEVELS / (LEVELS - level) if level < LEVELS else 0.0


class _Drop(torch.autograd.Function):
    """Zero elements at random and leave the others unscaled.

    The mask is an integer for each element, all bits set or none, and applied by bitwise AND: `masked_fill` with
    booleans takes several times as long.
    """

    @staticmethod
    def forward(ctx, x: Tensor, level: int) -> Tensor:
        words = np.random.SFC64(int(torch.randint(2**63 - 1, ()))).random_raw((x.numel() + 3) // 4)
        # as int16 the words are uniform over [-LEVELS/2, LEVELS/2); neg_ turns "keep" (1) into all bits set (-1)
        kept = torch.from_numpy(words.view(np.int16))[: x.numel()].view(x.shape).gt_(level - 1 - LEVELS // 2).neg_()
        ctx.save_for_backward(kept)
        return _masked(x, kept)

    @staticmethod
    def backward(ctx, grad: Tensor) -> tuple[Tensor, None]:
        (kept,) = ctx.saved_tensors
        return _masked(grad, kept), None


def _masked(x: Tensor, bits: Tensor) -> Tensor:
    """x AND bits [int16]; the cast to a wider integer repeats the sign bit, so that all or none stays all or none."""
    kind = WORD[x.dtype.itemsize]
    return (x.contiguous().view(kind) & bits.to(kind)).view(x.dtype)
