"""The metrics of the task table over weighted examples: an example of weight 2 counts as if it were there twice.

So a resample is a row of weights, and many resamples take one matrix product. With several labels and with tags a score
needs three sums alone, for each class: of examples that are right, that the model gave, and that have the class.
Correlations need moments; Spearman's are those of the ranks in the resample, where equal values, and so an example that
is drawn twice, share the mean of their ranks, as in `scipy.stats.spearmanr` on the resampled pairs.

Letters: B resamples, N examples, C classes.
"""

from collections.abc import Callable

import numpy as np
from numpy import ndarray

CORRELATIONS = {"pearson", "spearman"}


def score(metric: str, gold: ndarray, predicted: ndarray, weights: ndarray) -> ndarray:
    """The metric's value [B], from 0 to 100 (correlations from -100), for each row of `weights` [B, N].

    gold, predicted: answers of N examples, as `finetune.predictions` has them.
    """
    if metric in CORRELATIONS:
        return 100 * _correlation(gold.astype(float), predicted.astype(float), weights, metric == "spearman")
    counts = _counts(metric, gold, predicted)  # [N, 3, C]
    sums = weights @ counts.reshape(len(gold), -1).astype(weights.dtype)
    finish = _mean_f1 if metric == "macro_f1" and gold.ndim == 2 else _FINISH[metric]
    return 100 * finish(*np.moveaxis(sums.reshape(len(weights), 3, -1).astype(float), 1, 0))


def _counts(metric: str, gold: ndarray, predicted: ndarray) -> ndarray:
    """For each example and class whether it is right, was given, and is so [N, 3, C]; of tags, numbers of them."""
    if metric in ("chunk_f1", "tag_accuracy"):
        return np.stack([predicted[:, 1], predicted[:, 0], gold], 1)[:, :, None]
    if metric == "accuracy":
        one = np.ones(len(gold), np.int8)
        return np.stack([predicted == gold, one, one], 1)[:, :, None]
    if gold.ndim == 1:
        classes = np.array([1]) if metric == "f1" else np.union1d(gold, predicted)
        gold, predicted = (values[:, None] == classes for values in (gold, predicted))
    counts = np.stack([gold & predicted, predicted, gold], 1)
    return counts.sum(-1, keepdims=True) if metric == "micro_f1" else counts


def _share(right: ndarray, given: ndarray, gold: ndarray) -> ndarray:
    return _ratio(right, gold)[:, 0]


def _f1(right: ndarray, given: ndarray, gold: ndarray) -> ndarray:
    return _ratio(2 * right, given + gold)[:, 0]


def _macro_f1(right: ndarray, given: ndarray, gold: ndarray) -> ndarray:
    """The mean over the classes that are in the resample, given or gold."""
    return _ratio(_ratio(2 * right, given + gold).sum(1), (given + gold > 0).sum(1))


def _mean_f1(right: ndarray, given: ndarray, gold: ndarray) -> ndarray:
    """The mean over all classes, as with several labels an example."""
    return _ratio(2 * right, given + gold).mean(1)


def _matthews(right: ndarray, given: ndarray, gold: ndarray) -> ndarray:
    """Of any number of classes (Gorodkin 2004), as in scikit-learn."""
    count = gold.sum(1)
    together = right.sum(1) * count - (given * gold).sum(1)
    return _ratio(together, np.sqrt((count**2 - (given**2).sum(1)) * (count**2 - (gold**2).sum(1))))


_FINISH: dict[str, Callable[[ndarray, ndarray, ndarray], ndarray]] = {
    "accuracy": _share, "tag_accuracy": _share, "f1": _f1, "micro_f1": _f1, "chunk_f1": _f1, "macro_f1": _macro_f1,
    "matthews": _matthews,
}  # fmt: skip


def _correlation(gold: ndarray, predicted: ndarray, weights: ndarray, ranked: bool) -> ndarray:
    """Linear correlation [B]; 0 where a resample has one value alone."""
    total = weights.sum(1, dtype=float)
    if ranked:
        first, second = (_ranks(own, weights) - (total[:, None] + 1) / 2 for own in (gold, predicted))
        moments = [np.einsum("bn,bn,bn->b", weights, *own) for own in ((first, second), (first,) * 2, (second,) * 2)]
        return _ratio(moments[0], np.sqrt(moments[1] * moments[2]))
    first, second = (own - own.mean() for own in (gold, predicted))
    x, y, xy, xx, yy = (weights @ np.stack([first, second, first * second, first**2, second**2], 1)).T  # in float64
    return _ratio(xy - x * y / total, np.sqrt((xx - x**2 / total) * (yy - y**2 / total)))


def _ranks(values: ndarray, weights: ndarray) -> ndarray:
    """Ranks [B, N] of values in each resample, equal ones with the mean of theirs."""
    _, group = np.unique(values, return_inverse=True)
    order = np.argsort(group, kind="stable")
    last = np.append(np.flatnonzero(np.diff(group[order])), len(order) - 1)  # of each group of equal values
    ends = np.take(weights, order, axis=1).cumsum(1, dtype=float)[:, last]
    sizes = np.diff(ends, axis=1, prepend=0)
    return np.take(ends - sizes / 2 + 0.5, group, axis=1)


def _ratio(numerator: ndarray, denominator: ndarray) -> ndarray:
    """0 where the denominator is: no class is there, or all are one."""
    return np.divide(numerator, denominator, out=np.zeros_like(numerator, dtype=float), where=denominator > 1e-12)
