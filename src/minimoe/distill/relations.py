"""Self-attention relations and their divergence (MiniLMv2, arXiv 2012.15828, §3; here `rel(X)`).

  rel(X) = softmax( X Xᵀ / √(D/R) + padding mask )      X: [B, T, D] cut along D into R heads

`divergence` is the sum of KL( rel(teacher) ‖ rel(student) ) over rows; a row is one sequence, relation head and
query position that holds a real token. Its gradient has a closed form, so no [B, R, T, T] tensor outlives its
chunk of heads: with S the student's relation logits, ∂KL/∂S = rel(student) − rel(teacher), and S = X Xᵀ scaled.
"""

import math
from collections.abc import Iterator
from functools import cache, cached_property
from types import ModuleType

import torch
from torch import Tensor
from torch.nn import functional

PADDED = -1e9  # added to scores of padded keys; finite, so that 0 · log 0 is 0
# relation probabilities at once: on a CPU enough for the matrix products, few enough for the cache;
# elsewhere, as every kernel takes its time to start, those of 512 sequences of 128 tokens in 32 heads: 1 GB in fp32
CHUNKS = {"cpu": 1 << 19, "cuda": 1 << 28}
FUSED = ("cuda",)  # devices on which `divergence` is a kernel, where Triton is there


def relation_logits(x: Tensor, mask: Tensor, heads: int) -> Tensor:
    """X [B, T, D] and mask [B, T] (true where real) → scaled scores [B, R, T, T], −inf at padded keys."""
    x = split_heads(x, heads)
    scores = (x @ x.transpose(-1, -2)) / math.sqrt(x.shape[-1])
    return scores.masked_fill(~mask[:, None, None, :], -torch.inf)


def split_heads(x: Tensor, heads: int) -> Tensor:
    """[B, T, D] → [B, R, T, D/R]."""
    return x.unflatten(-1, (heads, -1)).transpose(1, 2)


class Target:
    """One projection of the teacher, as what students' relations are compared with.

    On a GPU only the normalisers of its relations are kept: the kernel computes relations again where it wants them.

    Args:
        teacher: queries, keys or values [B, T, D].
        mask: true at real tokens [B, T].
        heads: R, dividing D.
        keep: whether several students will ask: then its relations are computed once, and B·R·T·T numbers stay.
    """

    def __init__(self, teacher: Tensor, mask: Tensor, heads: int, *, keep: bool = False):
        self.whole, self.mask, self.heads = teacher, mask, heads
        self._kept: dict | None = {} if keep else None

    @cached_property
    def teacher(self) -> Tensor:
        """The projection in heads [B, R, T, D/R]."""
        return split_heads(at_least_fp32(self.whole), self.heads)

    @cached_property
    def real(self) -> Tensor:
        """1 at real tokens [B, 1, T, 1]: what is masked here is never T × T."""
        return self.mask[:, None, :, None].to(self.teacher.dtype)

    @cached_property
    def normalisers(self) -> Tensor:
        """Log normalisers of the relations' rows [B, R, T], by the kernel."""
        return _kernels().normalisers(self.whole, self.mask, self.heads)

    def relation(self, at: tuple[slice, slice]) -> tuple[Tensor, Tensor]:
        """rel(X) of these sequences and heads [b, r, T, T], and Σ p log p of its rows [b, r, T, 1]."""
        key = (at[0].start, at[1].start)
        if self._kept is not None and key in self._kept:
            return self._kept[key]
        x = self.teacher[at]
        logits, probability, normaliser = _relation(x, x / math.sqrt(x.shape[-1]), self.keys(at))
        found = probability, logits.mul_(probability).sum(-1, keepdim=True) - normaliser
        if self._kept is not None:
            self._kept[key] = found
        return found

    def keys(self, at: tuple[slice, slice]) -> Tensor:
        """What is added to scores [b, 1, 1, T]: nothing at real keys."""
        return PADDED * (1 - self.real[at[0]].transpose(-1, -2))


def divergence(student: Tensor, target: Target) -> Tensor:
    """Sum over rows of KL( rel(teacher) ‖ rel(student) ), computed in at least fp32.

    Args:
        student: one projection of the student [B, T, D]; the target's heads divide D.
        target: the same projection of the teacher.
    """
    if _is_fused(student, target):
        return _kernels().divergence(student, target.whole, target.normalisers, target.mask, target.heads)
    return _Divergence.apply(at_least_fp32(student), target)


def _is_fused(student: Tensor, target: Target) -> bool:
    """Whether the kernel takes these projections: on a GPU, in 16 bits, with heads that are not too wide."""
    both = (student, target.whole)
    return (
        student.device.type in FUSED
        and all(x.dtype.itemsize == 2 for x in both)
        and _kernels() is not None
        and all(x.shape[-1] // target.heads <= _kernels().WIDEST for x in both)
    )


@cache
def _kernels() -> ModuleType | None:
    """The kernels, where Triton is there."""
    try:
        from minimoe.distill import fused
    except ModuleNotFoundError as error:
        if error.name != "triton":
            raise
        return None
    return fused


def published_divergence(
    student: Tensor, teacher: Tensor, mask: Tensor, heads: int, *, epsilon: float, dropout: float
) -> Tensor:
    """As `divergence`, but as published: ε added to all probabilities, dropout on the student's relations."""
    target = relation_logits(at_least_fp32(teacher), mask, heads).softmax(-1)
    relation = relation_logits(at_least_fp32(student), mask, heads).softmax(-1)
    relation = functional.dropout(relation, dropout)
    target, relation = target + epsilon, relation + epsilon
    rows = target * (target.log() - relation.log())
    return rows.sum(-1).masked_fill(~mask[:, None], 0.0).sum()


def at_least_fp32(x: Tensor) -> Tensor:
    """In at least fp32."""
    return x.to(torch.promote_types(x.dtype, torch.float32))


class _Divergence(torch.autograd.Function):
    """`divergence`, its gradient taken on the way forward, a few relation matrices at a time.

    With logits S and log normaliser Z of a student's row, KL = Σ p log p − Σ p S + Z, and Z = max S − log max rel: so
    each matrix is exponentiated once, and no logarithm of it is taken.
    """

    @staticmethod
    def forward(ctx, student, target):
        student = split_heads(student, target.heads)
        total, gradient = student.new_zeros(()), torch.empty_like(student, memory_format=torch.contiguous_format)
        for at in _chunks(student):
            real, (wanted, entropy) = target.real[at[0]], target.relation(at)
            scaled = student[at] / math.sqrt(student.shape[-1])
            logits, probability, normaliser = _relation(student[at], scaled, target.keys(at))
            rows = entropy + normaliser - logits.mul_(wanted).sum(-1, keepdim=True)
            total += (rows * real).sum()
            delta = probability.sub_(wanted)
            gradient[at] = (delta @ scaled) * real + delta.transpose(-1, -2) @ (scaled * real)
        ctx.save_for_backward(gradient)
        return total

    @staticmethod
    def backward(ctx, grad):
        (gradient,) = ctx.saved_tensors
        return (grad * gradient).transpose(1, 2).flatten(2), None


def _chunks(x: Tensor) -> Iterator[tuple[slice, slice]]:
    """Slices of sequences and of relation heads of X [B, R, T, d], whose relation matrices are computed at once."""
    sequences, heads, tokens, _ = x.shape
    many = max(1, CHUNKS.get(x.device.type, CHUNKS["cuda"]) // tokens**2)
    rows, columns = max(1, many // heads), min(many, heads)
    for row in range(0, sequences, rows):
        for column in range(0, heads, columns):
            yield slice(row, row + rows), slice(column, column + columns)


def _relation(x: Tensor, scaled: Tensor, keys: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """X [b, r, T, d] → logits S [b, r, T, T], rel(X), and the rows' log normalisers Z [b, r, T, 1]."""
    logits = x @ scaled.transpose(-1, -2)
    logits += keys
    probability = logits.softmax(-1)
    return logits, probability, logits.amax(-1, keepdim=True) - probability.amax(-1, keepdim=True).log()
