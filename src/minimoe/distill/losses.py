"""What a student is trained to do, as pure functions of teacher taps, student taps and a mask."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from minimoe.distill.relations import Target, divergence, exact, published_divergence, split_heads
from minimoe.training.processes import total

QKV = ("query", "key", "value")
STATES = ("embeddings", "hidden")


class Taps(NamedTuple):
    """What objectives compare: projections of one layer [B, T, D]; for TinyBERT also hidden states [B, T, D]."""

    query: Tensor
    key: Tensor
    value: Tensor
    embeddings: Tensor | None = None  # the embeddings' output
    hidden: Tensor | None = None  # the layer's output
    targets: tuple[Target, ...] = ()  # a teacher's, of Q, K and V, where several students share their relations

    def shared(self, mask: Tensor, heads: int) -> "Taps":
        """Of a teacher, with relations that are computed once for all its students."""
        return self._replace(targets=tuple(Target(x, mask, heads, keep=True) for x in self[:3]))


class Totals(NamedTuple):
    """What losses are averaged over: the real tokens of a whole step, and its pairs of query and key."""

    tokens: int
    pairs: int

    @classmethod
    def of(cls, masks: Sequence[Tensor]) -> "Totals":
        """Of these masks [B, T], true or 1 at real tokens."""
        lengths = torch.cat([mask.sum(1) for mask in masks])
        return cls(*torch.stack([lengths.sum(), lengths.square().sum()]).tolist())  # one wait for a GPU


def totals(batches: Sequence[dict[str, Tensor]], accelerator) -> Totals:
    """What losses are averaged over, of the batches of all processes."""
    own = Totals.of([batch["attention_mask"] for batch in batches])
    if accelerator.num_processes == 1:
        return own
    return Totals(*total(torch.tensor(own, device=accelerator.device), accelerator).tolist())


def minilm(
    student: Sequence[Tensor],
    teacher: Sequence[Tensor],
    mask: Tensor,
    heads: int,
    *,
    tokens: int | None = None,
    log_epsilon: float = 0.0,
    dropout: float = 0.0,
    weights: Sequence[float] = (1, 1, 1),
) -> Tensor:
    """MiniLM loss: weighted mean over Q, K, V of the mean over valid rows of KL( rel_teacher ‖ rel_student ).

    Args:
        student, teacher: `Taps`, or queries, keys, values alone, each [B, T, D] of their own width.
        mask: true at real tokens [B, T].
        heads: relation heads R.
        tokens: real tokens to average over, when the batch is one part of a larger one; default: those of `mask`.
        log_epsilon: ε inside the logarithm, as published 1e-7; 0 is the exact log-softmax.
        dropout: on the student's relations, as published 0.1; it drowns the loss in noise: from 1e-9 to 1.13 for a
            student equal to its teacher.
        weights: of the three in the mean.
    """
    tokens = int(mask.sum()) if tokens is None else tokens
    total = 0.0
    targets = getattr(teacher, "targets", ()) or (None,) * 3
    for weight, own, target, shared in zip(weights, student[:3], teacher[:3], targets, strict=True):
        if not weight:
            continue
        if log_epsilon or dropout:
            part = published_divergence(own, target, mask, heads, epsilon=log_epsilon, dropout=dropout)
        else:
            part = divergence(own, shared or Target(target, mask, heads))
        total = total + weight * part
    return total / (sum(weights) * heads * tokens)


def tinybert(
    student: Taps,
    teacher: Taps,
    mask: Tensor,
    heads: int,
    *,
    totals: Totals | None = None,
    weights: Sequence[float] = (1, 1),
) -> Tensor:
    """TinyBERT loss (arXiv 1909.10351, eq. 7-9): weighted mean of two mean squared errors, over real tokens only.

    Of hidden states: the embeddings' output and the layer's together. Of attention scores: the layer's, before the
    softmax, at real keys only; differs because the published scores hold the constant of the padding mask.

    Args:
        student: taps with hidden states, these already as wide as the teacher's.
        teacher: taps with hidden states.
        mask: true at real tokens [B, T].
        heads: attention heads of both.
        totals: to average over, when the batch is one part of a larger one; default: those of `mask`.
        weights: of hidden states and of attention scores in the mean.
    """
    totals, total = totals or Totals.of([mask]), 0.0
    if weights[0]:
        states = torch.stack([exact(getattr(student, name)) - exact(getattr(teacher, name)) for name in STATES])
        states = states.masked_fill(~mask[None, :, :, None], 0.0)
        total = weights[0] * states.square().sum() / (2 * totals.tokens * states.shape[-1])
    if weights[1]:
        scores = _attention_scores(student, heads) - _attention_scores(teacher, heads)
        scores = scores.masked_fill(~(mask[:, None, :, None] & mask[:, None, None, :]), 0.0)
        total = total + weights[1] * scores.square().sum() / (totals.pairs * heads)
    return total / sum(weights)


def _attention_scores(taps: Taps, heads: int) -> Tensor:
    """Q Kᵀ / √d of every head [B, H, T, T], in at least fp32."""
    query, key = (split_heads(exact(x), heads) for x in (taps.query, taps.key))
    return query @ key.transpose(-1, -2) / math.sqrt(query.shape[-1])


def sent(logits: Tensor, mask: Tensor | None) -> Tensor:
    """How many tokens a router sends to each expert [E], of its logits [N, E]; of those with a mask alone, if any."""
    kind = torch.promote_types(logits.dtype, torch.float32)
    weight = torch.ones_like(logits[:, :1], dtype=kind) if mask is None else mask[:, None].to(kind)
    chosen = torch.zeros_like(logits, dtype=kind).scatter_(1, logits.argmax(-1, keepdim=True), 1.0)
    return (chosen * weight).sum(0)


def load_balance(logits: Tensor, mask: Tensor | None, tokens: Tensor | None = None) -> Tensor:
    """Load balance of one router: E · Σ_e (mean probability of e) · (fraction of tokens sent to e) (paper §3.2).

    1 when balanced, E when one expert gets all. Only `mean probability` carries a gradient, and it is linear in the
    tokens, so with the fractions of a whole step its parts add up to the whole step's load balance.

    Args:
        logits: router logits [N, E].
        mask: true at real tokens [N]; None counts padding too, as the published code does.
        tokens: sent to each expert in the whole step [E], when these are one part of it; default: those of `logits`.
    """
    probability = logits.softmax(-1, dtype=torch.promote_types(logits.dtype, torch.float32))
    weight = torch.ones_like(probability[:, :1]) if mask is None else mask[:, None].to(probability.dtype)
    tokens = sent(logits, mask) if tokens is None else tokens
    count = tokens.sum()
    experts = logits.shape[-1]
    return experts * ((probability * weight).sum(0) / count * (tokens / count)).sum()


def mean_load_balance(
    attention: Sequence[Tensor],
    ffn: Sequence[Tensor],
    mask: Tensor | None,
    tokens: Sequence[Tensor] | None = None,
) -> Tensor | float:
    """Mean over layers; where both sub-layers have experts, the mean of the two; 0 without experts.

    `tokens` are those of `load_balance`, of the attention's routers, then of the feed-forward's.
    """
    counts = iter(tokens or [None] * (len(attention) + len(ffn)))
    means = [
        torch.stack([load_balance(logits, mask, next(counts)) for logits in routers]).mean()
        for routers in (attention, ffn)
        if routers
    ]
    return sum(means) / len(means) if means else 0.0
