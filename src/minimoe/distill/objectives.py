"""What a student is trained to do, as pure functions of teacher taps, student taps and a mask."""

from collections.abc import Sequence

import torch
from torch import Tensor

from minimoe.distill.relations import divergence, published_divergence

Taps = tuple[Tensor, Tensor, Tensor]


def minilm(
    student: Taps,
    teacher: Taps,
    mask: Tensor,
    heads: int,
    *,
    tokens: int | None = None,
    log_epsilon: float = 0.0,
    dropout: float = 0.0,
) -> Tensor:
    """MiniLM loss: ⅓ Σ over Q, K, V of the mean over valid rows of KL( rel_teacher ‖ rel_student ).

    Args:
        student, teacher: queries, keys, values, each [B, T, D] of their own width.
        mask: true at real tokens [B, T].
        heads: relation heads R.
        tokens: real tokens to average over, when the batch is one part of a larger one; default: those of `mask`.
        log_epsilon: ε inside the logarithm, as published 1e-7; 0 is the exact log-softmax.
        dropout: on the student's relations, as published 0.1; it drowns the loss in noise: from 1e-9 to 1.13 for a
            student equal to its teacher.
    """
    tokens = int(mask.sum()) if tokens is None else tokens
    if log_epsilon or dropout:
        parts = [
            published_divergence(s, t, mask, heads, epsilon=log_epsilon, dropout=dropout)
            for s, t in zip(student, teacher, strict=True)
        ]
    else:
        parts = [divergence(s, t, mask, heads) for s, t in zip(student, teacher, strict=True)]
    return sum(parts) / (len(parts) * heads * tokens)


def load_balance(logits: Tensor, mask: Tensor | None) -> Tensor:
    """Load balance of one router: E · Σ_e (mean probability of e) · (fraction of tokens sent to e) (paper §3.2).

    1 when balanced, E when one expert gets all. Only `mean probability` carries a gradient.

    Args:
        logits: router logits [N, E].
        mask: true at real tokens [N]; None counts padding too, as the published code does.
    """
    probability = logits.softmax(-1, dtype=torch.promote_types(logits.dtype, torch.float32))
    weight = torch.ones_like(probability[:, :1]) if mask is None else mask[:, None].to(probability.dtype)
    chosen = torch.zeros_like(probability).scatter_(1, probability.argmax(-1, keepdim=True), 1.0)
    count = weight.sum()
    experts = logits.shape[-1]
    return experts * ((probability * weight).sum(0) / count * ((chosen * weight).sum(0) / count)).sum()


def mean_load_balance(attention: Sequence[Tensor], ffn: Sequence[Tensor], mask: Tensor | None) -> Tensor | float:
    """Mean over layers; where both sub-layers have experts, the mean of the two; 0 without experts."""
    means = [
        torch.stack([load_balance(logits, mask) for logits in routers]).mean()
        for routers in (attention, ffn)
        if routers
    ]
    return sum(means) / len(means) if means else 0.0
