"""The divergence of relations as Triton kernels, for a GPU: relations stay on the chip, no [B, R, T, T] tensor is made.

A program has one tile of rows of one sequence and relation head, and goes over all tiles of columns, whatever T is.
With a row's log normaliser Z known, rel(a, j) = exp(S_aj − Z_a). S is symmetric, so of the gradient

  ∂KL/∂x_a = Σ_j [ δ(a, j) + δ(j, a) ] x_j / √d        δ(a, j) = rel_student(a, j) − rel_teacher(a, j), real a and j

the second part needs S_aj and Z_j alone: every program writes rows of its own, nothing is added up by several at once,
and the result is the same in every run.

Inputs are bf16 or fp16, the arithmetic is that of fp32. Products of two such numbers are exact in fp32, in which tensor
cores add them up, so scores need no more, and no `input_precision`; δ, which is fp32, is taken as a sum of two 16-bit
numbers, good to 2⁻¹⁶ of it. Inputs in fp32 are left to the plain form: multiplied as such ("ieee") they leave no
registers for the rest, and TF32 would keep 11 bits of them.
"""

import math

import torch
import triton
import triton.language as tl
from torch import Tensor

TILE = tl.constexpr(64)  # rows and columns
WIDEST = 128  # numbers of a head: a tile of it stays on the chip, 65 of 99 KB
SPREAD = tl.constexpr(4096.0)  # δ times this is cut in two, of which fp16 would lose the smaller: its least is 6e-8
INTERPRETED = tl.constexpr(triton.knobs.runtime.interpret)
MASKED = tl.constexpr(-1e30)  # a score of a padded key; finite, so that no difference is NaN


def normalisers(x: Tensor, mask: Tensor, heads: int) -> Tensor:
    """From X [B, T, D] and mask [B, T] the log normalisers Z [B, R, T] of rel(X); of a padded row any number."""
    return torch.ops.minimoe.relation_normalisers(x, mask, heads)


def divergence(student: Tensor, teacher: Tensor, normaliser: Tensor, mask: Tensor, heads: int) -> Tensor:
    """As `relations.divergence`, of projections [B, T, D] of student and teacher, and the teacher's `normalisers`."""
    return _FusedDivergence.apply(student, teacher, normaliser, mask, heads)


class _FusedDivergence(torch.autograd.Function):
    @staticmethod
    def forward(ctx, student, teacher, normaliser, mask, heads):
        wanted = ctx.needs_input_grad[0]
        losses, gradient = torch.ops.minimoe.relation_divergence(student, teacher, normaliser, mask, heads, wanted)
        ctx.save_for_backward(gradient)
        ctx.kind = student.dtype
        return losses.sum()

    @staticmethod
    def backward(ctx, grad):
        (gradient,) = ctx.saved_tensors
        return (grad * gradient).to(ctx.kind), None, None, None, None


# operators, so that they have a form without values for the `meta` device and for torch.compile


@torch.library.custom_op("minimoe::relation_normalisers", mutates_args=())
def _normalisers(x: Tensor, mask: Tensor, heads: int) -> Tensor:
    sequences, tokens, width = x.shape
    out = x.new_empty(sequences, heads, tokens, dtype=torch.float32)
    grid = (sequences * heads, triton.cdiv(tokens, TILE.value))
    _normalisers_kernel[grid](x.contiguous(), mask.contiguous(), out, tokens, heads, **_shape("", width // heads))
    return out


@_normalisers.register_fake
def _(x: Tensor, mask: Tensor, heads: int) -> Tensor:
    return x.new_empty(x.shape[0], heads, x.shape[1], dtype=torch.float32)


@torch.library.custom_op("minimoe::relation_divergence", mutates_args=())
def _losses_and_gradient(
    student: Tensor, teacher: Tensor, teacher_normaliser: Tensor, mask: Tensor, heads: int, differentiate: bool
) -> tuple[Tensor, Tensor]:
    """Losses of tiles of rows [B·R, tiles], and if wanted the gradient by the student [B, T, D], both in fp32."""
    student, teacher, mask = student.contiguous(), teacher.contiguous(), mask.contiguous()
    losses, gradient = _made(student, heads, differentiate)
    _divergence_kernel[tuple(losses.shape)](
        student,
        teacher,
        normalisers(student, mask, heads),
        teacher_normaliser,
        mask,
        losses,
        gradient,
        student.shape[1],
        heads,
        differentiate,
        **_shape("STUDENT_", student.shape[-1] // heads),
        **_shape("TEACHER_", teacher.shape[-1] // heads),
    )
    return losses, gradient


@_losses_and_gradient.register_fake
def _(student, teacher, teacher_normaliser, mask, heads, differentiate):
    return _made(student, heads, differentiate)


def _made(student: Tensor, heads: int, differentiate: bool) -> tuple[Tensor, Tensor]:
    sequences, tokens, _ = student.shape
    losses = student.new_empty(sequences * heads, triton.cdiv(tokens, TILE.value), dtype=torch.float32)
    return losses, student.new_empty(student.shape if differentiate else 0, dtype=torch.float32)


def _shape(prefix: str, width: int) -> dict:
    """What a kernel is compiled for: the width of a head, the power of two that it is padded to, 1/√width."""
    padded = max(16, triton.next_power_of_2(width))
    return {f"{prefix}WIDTH": width, f"{prefix}PADDED": padded, f"{prefix}SCALE": 1 / math.sqrt(width)}


@triton.jit
def _load(x, program, rows, tokens, heads, WIDTH: tl.constexpr, PADDED: tl.constexpr):
    """Rows of one head of X [B, T, D] → [TILE, PADDED], zero beyond the last token and beyond WIDTH."""
    columns = tl.arange(0, PADDED)
    first = (program // heads).to(tl.int64) * tokens * heads * WIDTH + (program % heads) * WIDTH
    at = first + rows[:, None] * (heads * WIDTH) + columns[None, :]
    return tl.load(x + at, mask=(rows < tokens)[:, None] & (columns < WIDTH)[None, :], other=0.0)


@triton.jit
def _load_mask(mask, program, rows, tokens, heads):
    """Whether rows are real tokens [TILE]."""
    return tl.load(mask + (program // heads).to(tl.int64) * tokens + rows, mask=rows < tokens, other=0) != 0


@triton.jit
def _dot(a, b):
    """A B, added up in fp32."""
    if INTERPRETED:  # on the CPU, by numpy, which has no bf16; the products are as exact
        a, b = a.to(tl.float32), b.to(tl.float32)
    return tl.dot(a, b)


@triton.jit
def _normalisers_kernel(
    x, mask, out, tokens, heads,
    WIDTH: tl.constexpr, PADDED: tl.constexpr, SCALE: tl.constexpr,
):  # fmt: skip
    program, offsets = tl.program_id(0), tl.arange(0, TILE)
    rows = tl.program_id(1) * TILE + offsets
    own = _load(x, program, rows, tokens, heads, WIDTH, PADDED)
    highest, total = tl.full([TILE], MASKED, tl.float32), tl.zeros([TILE], tl.float32)
    for start in range(0, tokens, TILE):
        columns = start + offsets
        other = _load(x, program, columns, tokens, heads, WIDTH, PADDED)
        real = _load_mask(mask, program, columns, tokens, heads)
        scores = _dot(own, tl.trans(other)) * SCALE
        scores = tl.where(real[None, :], scores, MASKED)
        now = tl.maximum(highest, tl.max(scores, 1))
        total = total * tl.exp(highest - now) + tl.sum(tl.exp(scores - now[:, None]), 1)
        highest = now
    tl.store(out + program.to(tl.int64) * tokens + rows, highest + tl.log(total), mask=rows < tokens)


@triton.jit
def _divergence_kernel(
    student, teacher, student_normaliser, teacher_normaliser, mask, losses, gradient, tokens, heads,
    DIFFERENTIATE: tl.constexpr,
    STUDENT_WIDTH: tl.constexpr, STUDENT_PADDED: tl.constexpr, STUDENT_SCALE: tl.constexpr,
    TEACHER_WIDTH: tl.constexpr, TEACHER_PADDED: tl.constexpr, TEACHER_SCALE: tl.constexpr,
):  # fmt: skip
    program, offsets = tl.program_id(0), tl.arange(0, TILE)
    rows = tl.program_id(1) * TILE + offsets
    inside, row = rows < tokens, program.to(tl.int64) * tokens
    own = _load(student, program, rows, tokens, heads, STUDENT_WIDTH, STUDENT_PADDED)
    taught = _load(teacher, program, rows, tokens, heads, TEACHER_WIDTH, TEACHER_PADDED)
    own_z = tl.load(student_normaliser + row + rows, mask=inside, other=0.0)
    taught_z = tl.load(teacher_normaliser + row + rows, mask=inside, other=0.0)
    own_real = _load_mask(mask, program, rows, tokens, heads)
    loss = tl.zeros([TILE], tl.float32)
    change = tl.zeros([TILE, STUDENT_PADDED], tl.float32)
    for start in range(0, tokens, TILE):
        columns = start + offsets
        other = _load(student, program, columns, tokens, heads, STUDENT_WIDTH, STUDENT_PADDED)
        other_taught = _load(teacher, program, columns, tokens, heads, TEACHER_WIDTH, TEACHER_PADDED)
        real = own_real[:, None] & _load_mask(mask, program, columns, tokens, heads)[None, :]
        scores = _dot(own, tl.trans(other)) * STUDENT_SCALE
        wanted = _dot(taught, tl.trans(other_taught)) * TEACHER_SCALE
        own_log, taught_log = scores - own_z[:, None], wanted - taught_z[:, None]
        probability = tl.exp(taught_log)
        loss += tl.sum(tl.where(real, probability * (taught_log - own_log), 0.0), 1)
        if DIFFERENTIATE:
            last = columns < tokens
            other_z = tl.load(student_normaliser + row + columns, mask=last, other=0.0)
            other_taught_z = tl.load(teacher_normaliser + row + columns, mask=last, other=0.0)
            delta = tl.exp(own_log) - probability
            delta += tl.exp(scores - other_z[None, :]) - tl.exp(wanted - other_taught_z[None, :])
            delta = tl.where(real, delta, 0.0) * SPREAD
            high = delta.to(other.dtype)
            low = (delta - high.to(tl.float32)).to(other.dtype)
            change += _dot(high, other) + _dot(low, other)
    tl.store(losses + program.to(tl.int64) * tl.num_programs(1) + tl.program_id(1), tl.sum(loss, 0))
    if DIFFERENTIATE:
        width = tl.arange(0, STUDENT_PADDED)
        first = (program // heads).to(tl.int64) * tokens * heads * STUDENT_WIDTH + (program % heads) * STUDENT_WIDTH
        at = first + rows[:, None] * (heads * STUDENT_WIDTH) + width[None, :]
        kept = inside[:, None] & (width < STUDENT_WIDTH)[None, :]
        tl.store(gradient + at, change * (STUDENT_SCALE / SPREAD), mask=kept)
