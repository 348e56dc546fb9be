"""Self-attention relations and their divergence (MiniLMv2, arXiv 2012.15828, §3; here `rel(X)`).

  rel(X) = softmax( X Xᵀ / √(D/R) + padding mask )      X: [B, T, D] cut along D into R heads

`divergence` is the sum of KL( rel(teacher) ‖ rel(student) ) over rows; a row is one sequence, relation head and
query position that holds a real token. Its gradient has a closed form, so no [B, R, T, T] tensor outlives its
chunk of heads: with S the student's relation logits, ∂KL/∂S = rel(student) − rel(teacher), and S = X Xᵀ scaled.
"""

import math

import torch
from torch import Tensor
from torch.nn import functional

PADDED = -1e9  # added to scores of padded keys; finite, so that 0 · log 0 is 0
CHUNK = 8  # relation heads at once: large enough for the matrix products, small enough for the cache


def relation_logits(x: Tensor, mask: Tensor, heads: int) -> Tensor:
    """X [B, T, D] and mask [B, T] (true where real) → scaled scores [B, R, T, T], −inf at padded keys."""
    x = split_heads(x, heads)
    scores = (x @ x.transpose(-1, -2)) / math.sqrt(x.shape[-1])
    return scores.masked_fill(~mask[:, None, None, :], -torch.inf)


def split_heads(x: Tensor, heads: int) -> Tensor:
    """[B, T, D] → [B, R, T, D/R]."""
    return x.unflatten(-1, (heads, -1)).transpose(1, 2)


def divergence(student: Tensor, teacher: Tensor, mask: Tensor, heads: int) -> Tensor:
    """Sum over rows of KL( rel(teacher) ‖ rel(student) ), computed in at least fp32.

    Args:
        student: one projection of the student [B, T, D].
        teacher: the same projection of the teacher [B, T, D'].
        mask: true at real tokens [B, T].
        heads: R, dividing D and D'.
    """
    return _Divergence.apply(exact(student), exact(teacher), mask, heads)


def published_divergence(
    student: Tensor, teacher: Tensor, mask: Tensor, heads: int, *, epsilon: float, dropout: float
) -> Tensor:
    """As `divergence`, but as published: ε added to all probabilities, dropout on the student's relations."""
    target = relation_logits(exact(teacher), mask, heads).softmax(-1)
    relation = relation_logits(exact(student), mask, heads).softmax(-1)
    relation = functional.dropout(relation, dropout)
    target, relation = target + epsilon, relation + epsilon
    rows = target * (target.log() - relation.log())
    return rows.sum(-1).transpose(1, 2)[mask].sum()


def exact(x: Tensor) -> Tensor:
    """In at least fp32."""
    return x.to(torch.promote_types(x.dtype, torch.float32))


class _Divergence(torch.autograd.Function):
    """`divergence`, its gradient taken on the way forward, a chunk of relation heads at a time."""

    @staticmethod
    def forward(ctx, student, teacher, mask, heads):
        student, teacher = split_heads(student, heads), split_heads(teacher, heads)
        real = mask[:, None, :, None].to(student.dtype)  # [B, 1, T, 1]: what is masked here is small, never T × T
        total, gradient = student.new_zeros(()), torch.empty_like(student, memory_format=torch.contiguous_format)
        for chunk in (slice(start, start + CHUNK) for start in range(0, heads, CHUNK)):
            target, relation = _log_relation(teacher[:, chunk], mask), _log_relation(student[:, chunk], mask)
            probability = target.exp()
            rows = target.sub_(relation).mul_(probability).sum(-1, keepdim=True)
            total += (rows * real).sum()
            delta = relation.exp_().sub_(probability)
            scaled = student[:, chunk] / math.sqrt(student.shape[-1])
            gradient[:, chunk] = (delta @ scaled) * real + delta.transpose(-1, -2) @ (scaled * real)
        ctx.save_for_backward(gradient)
        return total

    @staticmethod
    def backward(ctx, grad):
        (gradient,) = ctx.saved_tensors
        return (grad * gradient).transpose(1, 2).flatten(2), None, None, None


def _log_relation(x: Tensor, mask: Tensor) -> Tensor:
    """Heads [B, R, T, d] → log rel(X) [B, R, T, T]; at padded keys finite, and its exponential 0."""
    keys = torch.zeros_like(mask, dtype=x.dtype).masked_fill_(~mask, PADDED)[:, None, None, :]
    scores = x @ (x / math.sqrt(x.shape[-1])).transpose(-1, -2)
    return scores.add_(keys).log_softmax(-1)
