"""Differences between models from replicates of their scores: intervals, and one test of all of them.

An interval is from the 2.5th to the 97.5th percentile of a difference's replicates, for this difference by itself. Of
many differences some are far from 0 by chance, so p values are corrected for their number by the step-down method of
the largest statistic (Westfall & Young 1993; Romano & Wolf, JASA 100, 2005): a difference over its standard error is
compared with the largest of all those, not found yet, that replicates have about their own mean. Like Holm's method it
holds the chance of any false claim below the level; unlike it, it knows that pairs share models, and needs no p value
smaller than one over the number of replicates. Dror et al. (ACL 2018; TACL 2017) say why a comparison of NLP models
needs such a test and such a correction.
"""

from typing import NamedTuple

import numpy as np
from numpy import ndarray

LEVEL = 0.05


class Interval(NamedTuple):
    """A difference in points, and the ends of its 95 % interval."""

    mean: float
    low: float
    high: float


def interval(mean: float, replicates: ndarray) -> Interval:
    """The percentile interval of a difference from its replicates [B]."""
    low, high = np.quantile(replicates, [LEVEL / 2, 1 - LEVEL / 2])
    return Interval(float(mean), float(low), float(high))


def corrected(means: ndarray, replicates: ndarray) -> ndarray:
    """p values [P] of differences [P] from their replicates [P, B], corrected for their number P; two-sided."""
    centred = replicates - replicates.mean(1, keepdims=True)
    error = centred.std(1)
    known = error > 1e-9  # else all resamples differ by the same: of a few examples, or none of all; it has no p value
    found = np.where(known, np.abs(means) / np.where(known, error, 1.0), 0.0)
    drawn = np.abs(centred) / np.where(known, error, 1.0)[:, None]
    order = np.argsort(-found, kind="stable")
    most = np.maximum.accumulate(drawn[order[::-1]], axis=0)[::-1]  # of each and all after it
    above = (most >= found[order, None]).sum(1)
    values = np.maximum.accumulate((1 + above) / (1 + replicates.shape[1]))
    p = np.empty(len(means))
    p[order] = np.minimum(values, 1.0)
    return p
