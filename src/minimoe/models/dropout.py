"""Dropout that is cheap on the CPU, where torch's draws a number of its own for every element, one after another.

Here an element gets 16 bits of a long row of random words, so p is a multiple of 1/65536, and what is kept is scaled by
the p that is used. Elsewhere it is torch's.
"""

import torch
from torch import Tensor, nn

LEVELS = 1 << 16


class Dropout(nn.Dropout):
    """As `nn.Dropout`."""

    def forward(self, x: Tensor) -> Tensor:
        """Any shape; while training, elements are zero with probability p, the others scaled to keep the mean."""
        if not self.training or not self.p or x.device.type != "cpu":
            return super().forward(x)
        return drop(x, self.p)


def drop(x: Tensor, p: float) -> Tensor:
    """Dropout of a tensor on the CPU, with probability p rounded to a multiple of 1/65536."""
    return _Drop.apply(x, round(p * LEVELS))


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
    return (drop(scores.softmax(-1), dropout) @ value).transpose(1, 2)


class _Drop(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x: Tensor, level: int) -> Tensor:
        words = torch.empty((x.numel() + 3) // 4, dtype=torch.int64).random_(-(2**63), None)
        dropped = words.view(torch.int16)[: x.numel()].view(x.shape) < level - LEVELS // 2
        ctx.scale = LEVELS / (LEVELS - level) if level < LEVELS else 0.0
        ctx.save_for_backward(dropped)
        return (x * ctx.scale).masked_fill_(dropped, 0.0)

    @staticmethod
    def backward(ctx, grad: Tensor) -> tuple[Tensor, None]:
        (dropped,) = ctx.saved_tensors
        return (grad * ctx.scale).masked_fill_(dropped, 0.0), None
