"""The metrics of the task table over weighted examples: an example of weight 2 counts as if it were there twice.

So a resample is a row of weights, and many resamples of many runs take one matrix product. With several labels and with
tags a score needs three sums alone, for each class: of examples that are right, that the model gave, and that have the
class. Correlations need moments; Spearman's are those of the ranks in the resample, where equal values, and so an
example that is drawn twice, share the mean of their ranks, as in `scipy.stats.spearmanr` on the resampled pairs.
Weights and counts are whole numbers, which float32 adds exactly up to 16 million.

Letters: B resamples, N examples, C classes, G groups of equal values, S runs.
"""

from collections.abc import Callable, Sequence

import numpy as np
from numpy import ndarray

COUNTS = 20_000_000  # that a matrix product takes at once
CACHED = 50_000  # weights that are ranked at once


def weighted_scores(metric: str, gold: ndarray, runs: Sequence[ndarray], weights: ndarray) -> ndarray:
    """The metric's value [S, B] of each run for each row of `weights` [B, N]: 0 to 100, correlations from -100.

    gold, runs: right answers to N examples, and those of each run, as `finetune.predictions` has them.
    """
    classes = gold[0].size if metric in _CORRELATE or gold.ndim == 2 else len(np.unique(gold))
    step = max(1, COUNTS // (2 * len(gold) * classes))
    blocks = [runs[at : at + step] for at in range(0, len(runs), step)]
    return 100 * np.concatenate([_scores(metric, gold, block, weights) for block in blocks])


def _scores(metric: str, gold: ndarray, runs: Sequence[ndarray], weights: ndarray) -> ndarray:
    if metric in _CORRELATE:
        return _CORRELATE[metric](gold, runs, weights)
    finish = _mean_f1 if metric == "macro_f1" and gold.ndim == 2 else _FINISH[metric]
    return finish(*_sums(metric, gold, runs, weights)).T


def _sums(metric: str, gold: ndarray, runs: Sequence[ndarray], weights: ndarray) -> tuple[ndarray, ndarray, ndarray]:
    """For each class how many examples are right, were given it [B, S, C], and have it [B, 1, C]."""
    right, given, own = _counts(metric, gold, runs)
    columns = np.concatenate([own, *given, *right], axis=1)
    sums = (weights @ columns.astype(weights.dtype)).reshape(len(weights), -1, own.shape[1]).astype(float)
    return sums[:, 1 + len(runs) :], sums[:, 1 : 1 + len(runs)], sums[:, :1]


def _counts(metric: str, gold: ndarray, runs: Sequence[ndarray]) -> tuple[list[ndarray], list[ndarray], ndarray]:
    """By run, for each example and class whether it is right and was given [N, C], and whether the example has it.

    Of tags, numbers of them.
    """
    if metric in ("chunk_f1", "tag_accuracy"):
        return [run[:, 1:] for run in runs], [run[:, :1] for run in runs], gold[:, None]
    if metric == "accuracy":
        one = np.ones((len(gold), 1), bool)
        return [(run == gold)[:, None] for run in runs], [one] * len(runs), one
    if gold.ndim == 1:
        classes = np.array([1]) if metric == "f1" else np.unique(np.concatenate([gold, *runs]))
        gold, *runs = (values[:, None] == classes for values in (gold, *runs))
    right, given = [gold & run for run in runs], list(runs)
    if metric == "micro_f1":
        return *([own.sum(1, keepdims=True) for own in part] for part in (right, given)), gold.sum(1, keepdims=True)
    return right, given, gold


def _share(right: ndarray, given: ndarray, gold: ndarray) -> ndarray:
    return _ratio(right, gold)[..., 0]


def _f1(right: ndarray, given: ndarray, gold: ndarray) -> ndarray:
    return _ratio(2 * right, given + gold)[..., 0]


def _macro_f1(right: ndarray, given: ndarray, gold: ndarray) -> ndarray:
    """The mean over the classes that are in the resample, given or gold."""
    return _ratio(_ratio(2 * right, given + gold).sum(-1), (given + gold > 0).sum(-1))


def _mean_f1(right: ndarray, given: ndarray, gold: ndarray) -> ndarray:
    """The mean over all classes, as with several labels an example."""
    return _ratio(2 * right, given + gold).mean(-1)


def _matthews(right: ndarray, given: ndarray, gold: ndarray) -> ndarray:
    """Of any number of classes (Gorodkin 2004), as in scikit-learn."""
    count = gold.sum(-1)
    together = right.sum(-1) * count - (given * gold).sum(-1)
    return _ratio(together, np.sqrt((count**2 - (given**2).sum(-1)) * (count**2 - (gold**2).sum(-1))))


_FINISH: dict[str, Callable[[ndarray, ndarray, ndarray], ndarray]] = {
    "accuracy": _share, "tag_accuracy": _share, "f1": _f1, "micro_f1": _f1, "chunk_f1": _f1, "macro_f1": _macro_f1,
    "matthews": _matthews,
}  # fmt: skip


def _pearson(gold: ndarray, runs: Sequence[ndarray], weights: ndarray) -> ndarray:
    """Linear correlations [S, B]; 0 where a resample has one value alone."""
    total = weights.sum(1, dtype=float)
    first, *others = (values.astype(float) - values.mean(dtype=float) for values in (gold, *runs))
    moments = [first, first**2, *others, *(first * own for own in others), *(own**2 for own in others)]
    x, xx, *rest = (weights @ np.stack(moments, 1)).T  # in float64
    y, xy, yy = np.split(np.stack(rest), 3)
    return _ratio(xy - x * y / total, np.sqrt((xx - x**2 / total) * (yy - y**2 / total)))


def _spearman(gold: ndarray, runs: Sequence[ndarray], weights: ndarray) -> ndarray:
    """Rank correlations [S, B]; 0 where a resample has one value alone. A few resamples at once, which caches hold."""
    groups, found = [_groups(values) for values in (gold, *runs)], []
    step = max(1, CACHED // len(gold))
    for rows in (weights[at : at + step] for at in range(0, len(weights), step)):
        first, xx = _ranks(*groups[0], rows)
        first *= rows
        others = (_ranks(*group, rows) for group in groups[1:])
        moments = [(np.einsum("bn,bn->b", first, ranks, dtype=float), np.sqrt(xx * yy)) for ranks, yy in others]
        found.append(np.stack([_ratio(*pair) for pair in moments]))
    return np.concatenate(found, axis=1)


def _groups(values: ndarray) -> tuple[ndarray, ndarray, ndarray]:
    """Of equal values: the group of each example [N], the order of examples by it [N], the last of each in it [G]."""
    _, group = np.unique(values, return_inverse=True)
    order = np.argsort(group, kind="stable")
    return group, order, np.append(np.flatnonzero(np.diff(group[order])), len(order) - 1)


def _ranks(group: ndarray, order: ndarray, last: ndarray, weights: ndarray) -> tuple[ndarray, ndarray]:
    """Ranks [B, N] of values in each resample, equal ones with the mean of theirs, and the sum of their squares [B].

    They are centred, and doubled to be whole.
    """
    ends = weights.take(order, axis=1).cumsum(1).take(last, axis=1)
    sizes = ends.copy()
    sizes[:, 1:] -= ends[:, :-1]
    ranks = 2 * ends - sizes - ends[:, -1:]
    cubes = np.einsum("bg,bg,bg->b", sizes, sizes, sizes, dtype=float)
    return ranks.take(group, axis=1), (ends[:, -1].astype(float) ** 3 - cubes) / 3


_CORRELATE = {"pearson": _pearson, "spearman": _spearman}


def _ratio(numerator: ndarray, denominator: ndarray) -> ndarray:
    """0 where the denominator is: no class is there, or all are one."""
    return np.divide(numerator, denominator, out=np.zeros_like(numerator, dtype=float), where=denominator > 1e-12)
