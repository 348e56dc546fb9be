"""The losses of distillation, pure functions of the teacher's features, the student's and a mask."""

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from minimoe.distill.batch import TokenCounts
from minimoe.distill.relations import Target, at_least_fp32, divergence, published_divergence, split_heads

QKV = ("query", "key", "value")
STATES = ("embeddings", "hidden")


class Features(NamedTuple):
    """What losses compare: projections of one layer [B, T, D], hidden states [B, T, D], or embeddings [B, D].

    MiniLM has the projections, TinyBERT hidden states too, and sentence embeddings stand alone.
    """

    query: Tensor | None = None
    key: Tensor | None = None
    value: Tensor | None = None
    embeddings: Tensor | None = None  # the embeddings' output
    hidden: Tensor | None = None  # the layer's output
    sentence: Tensor | None = None  # the sentence embedding
    targets: tuple[Target, ...] = ()  # a teacher's relations of Q, K and V, kept for several students
    further: tuple["Features", ...] = ()  # projections of further layers of the teacher, or of what imitates these

    def with_targets(self, mask: Tensor, heads: int, sequences: int = 1) -> "Features":
        """A teacher's features for several students: relations are computed once, when the first student asks."""
        joined = [joint(x, sequences) for x in (mask, *self[:3])]
        return self._replace(
            targets=tuple(Target(x, joined[0], heads, keep=True) for x in joined[1:]),
            further=tuple(layer.with_targets(mask, heads, sequences) for layer in self.further),
        )

    def each(self, change: Callable[[Tensor], Tensor]) -> "Features":
        """With every tensor changed, those of further layers too."""
        changed = Features(*(change(own) if isinstance(own, Tensor) else own for own in self))
        return changed._replace(further=tuple(layer.each(change) for layer in self.further))


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
    sequences: int = 1,
) -> Tensor:
    """MiniLM loss: weighted mean over Q, K, V of the mean over valid rows of KL( rel_teacher ‖ rel_student ).

    Where the features have further layers, the mean over these and the layer itself.

    Args:
        student, teacher: `Features`, or queries, keys, values alone, each [B, T, D] of their own width.
        mask: true at real tokens [B, T].
        heads: relation heads R.
        tokens: real tokens to average over, when the batch is one part of a larger one; default: those of `mask`.
        log_epsilon: ε inside the logarithm, as published 1e-7; 0 is the exact log-softmax.
        dropout: on the student's relations, as published 0.1; it drowns the loss in noise: from 1e-9 to 1.13 for a
            student equal to its teacher.
        weights: of the three in the mean.
        sequences: whose tokens are related to each other: as published 1, a token to those of its own sequence; n also
            to those of the n - 1 beside it. The teacher's targets, where it has any, must be made with the same n.
    """
    if layers := getattr(student, "further", ()):
        pairs = zip((student._replace(further=()), *layers), (teacher, *teacher.further), strict=True)
        rest = dict(tokens=tokens, log_epsilon=log_epsilon, dropout=dropout, weights=weights, sequences=sequences)
        return sum(minilm(own, taught, mask, heads, **rest) for own, taught in pairs) / (1 + len(layers))
    tokens = int(mask.sum()) if tokens is None else tokens
    loss, joined = 0.0, joint(mask, sequences)
    targets = getattr(teacher, "targets", ()) or (None,) * 3
    for weight, own, taught, target in zip(weights, student[:3], teacher[:3], targets, strict=True):
        if not weight:
            continue
        own = joint(own, sequences)
        if log_epsilon or dropout:
            taught = joint(taught, sequences)
            part = published_divergence(own, taught, joined, heads, epsilon=log_epsilon, dropout=dropout)
        else:
            part = divergence(own, target or Target(joint(taught, sequences), joined, heads))
        loss = loss + weight * part
    return loss / (sum(weights) * heads * tokens)  # a token has a row in each relation head


def joint(x: Tensor, sequences: int) -> Tensor:
    """[B, T, …] → [⌈B/n⌉, n·T, …]: n sequences after each other as one, the last filled up with zeros."""
    sequences = min(sequences, len(x))
    if missing := -len(x) % sequences:
        x = torch.cat([x, x.new_zeros(missing, *x.shape[1:])])
    return x.reshape(-1, sequences * x.shape[1], *x.shape[2:])


def tinybert(
    student: Features,
    teacher: Features,
    mask: Tensor,
    heads: int,
    *,
    counts: TokenCounts | None = None,
    weights: Sequence[float] = (1, 1),
) -> Tensor:
    """TinyBERT loss (arXiv 1909.10351, eq. 7-9): weighted mean of two mean squared errors, over real tokens only.

    Of hidden states: the embeddings' output and the layer's together. Of attention scores: the layer's, before the
    softmax, at real keys only; differs because the published scores hold the constant of the padding mask.

    Args:
        student: features with hidden states, these already as wide as the teacher's.
        teacher: features with hidden states.
        mask: true at real tokens [B, T].
        heads: attention heads of both.
        counts: to average over, when the batch is one part of a larger one; default: those of `mask`.
        weights: of hidden states and of attention scores in the mean.
    """
    counts, loss = counts or TokenCounts.of(mask.sum(1)), 0.0
    if weights[0]:
        errors = [at_least_fp32(getattr(student, name)) - at_least_fp32(getattr(teacher, name)) for name in STATES]
        errors = torch.stack(errors).masked_fill(~mask[None, :, :, None], 0.0)
        loss = weights[0] * errors.square().sum() / (2 * counts.tokens * errors.shape[-1])
    if weights[1]:
        errors = _attention_scores(student, heads) - _attention_scores(teacher, heads)
        errors = errors.masked_fill(~(mask[:, None, :, None] & mask[:, None, None, :]), 0.0)
        loss = loss + weights[1] * errors.square().sum() / (counts.pairs * heads)
    return loss / sum(weights)


def embedding(
    student: Tensor, teacher: Tensor, *, distance: str = "cosine", sequences: int | Tensor | None = None
) -> Tensor:
    """Mean over sequences of the distance between the student's sentence embedding and the teacher's.

    Args:
        student, teacher: embeddings [B, D].
        distance: cosine: 1 − cos(s, t). l2: ‖s − t‖², which for embeddings of length 1 is twice that.
        sequences: to average over, when the batch is one part of a larger one; default: B.
    """
    student, teacher = at_least_fp32(student), at_least_fp32(teacher)
    if distance == "cosine":
        apart = 1 - nn.functional.cosine_similarity(student, teacher, dim=-1)
    else:
        apart = (student - teacher).square().sum(-1)
    return apart.sum() / (len(student) if sequences is None else sequences)


def _attention_scores(features: Features, heads: int) -> Tensor:
    """Q Kᵀ / √d of every head [B, H, T, T], in at least fp32."""
    query, key = (split_heads(at_least_fp32(x), heads) for x in (features.query, features.key))
    return query @ key.transpose(-1, -2) / math.sqrt(query.shape[-1])
