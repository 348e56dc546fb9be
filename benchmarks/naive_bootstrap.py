"""Scores of one run on resampled examples, as one writes them first: the baseline of `bootstrap`.

A matrix product for each run, and ranks of the right answers anew for each.
"""

import numpy as np
from numpy import ndarray


def score(metric: str, gold: ndarray, predicted: ndarray, weights: ndarray) -> ndarray:
    """The metric's value [B] for each row of `weights` [B, N]."""
    if metric == "spearman":
        return 100 * _spearman(gold.astype(float), predicted.astype(float), weights)
    counts = _counts(metric, gold, predicted)  # [N, 3, C]
    sums = weights @ counts.reshape(len(gold), -1).astype(weights.dtype)
    right, given, own = np.moveaxis(sums.reshape(len(weights), 3, -1).astype(float), 1, 0)
    if metric == "accuracy":
        return 100 * (right / own)[:, 0]
    if metric == "matthews":
        count = own.sum(1)
        together = right.sum(1) * count - (given * own).sum(1)
        return 100 * together / np.sqrt((count**2 - (given**2).sum(1)) * (count**2 - (own**2).sum(1)))
    return 100 * (2 * right / (given + own))[:, 0]


def _counts(metric: str, gold: ndarray, predicted: ndarray) -> ndarray:
    """For each example and class whether it is right, was given, and is so; of tags, numbers of them."""
    if metric == "chunk_f1":
        return np.stack([predicted[:, 1], predicted[:, 0], gold], 1)[:, :, None]
    if metric == "accuracy":
        one = np.ones(len(gold), np.int8)
        return np.stack([predicted == gold, one, one], 1)[:, :, None]
    classes = np.array([1]) if metric == "f1" else np.union1d(gold, predicted)
    gold, predicted = (values[:, None] == classes for values in (gold, predicted))
    return np.stack([gold & predicted, predicted, gold], 1)


def _spearman(gold: ndarray, predicted: ndarray, weights: ndarray) -> ndarray:
    total = weights.sum(1, dtype=float)
    first, second = (_ranks(own, weights) - (total[:, None] + 1) / 2 for own in (gold, predicted))
    xy, xx, yy = (np.einsum("bn,bn,bn->b", weights, *own) for own in ((first, second), (first,) * 2, (second,) * 2))
    return xy / np.sqrt(xx * yy)


def _ranks(values: ndarray, weights: ndarray) -> ndarray:
    _, group = np.unique(values, return_inverse=True)
    order = np.argsort(group, kind="stable")
    last = np.append(np.flatnonzero(np.diff(group[order])), len(order) - 1)
    ends = np.take(weights, order, axis=1).cumsum(1, dtype=float)[:, last]
    sizes = np.diff(ends, axis=1, prepend=0)
    return np.take(ends - sizes / 2 + 0.5, group, axis=1)
