"""The luck of distillation in replicates: how far means move with other members of a group of equal models.

Members differ by the seed of their distillation alone. Of n members n - 1 are drawn, so that the mean varies as a mean
of n does (Rao & Wu 1988). A spread that so few show may be far too small by chance, so it is widened, as Student's t is
against the normal distribution. Replicates hold luck with examples and with the seeds of finetuning already, which make
members differ too: that part of the variance is taken off, as `replicates` does between seeds of finetuning.

Letters: M models, K tasks, B replicates, n members.
"""

from collections.abc import Mapping, Sequence
from zlib import crc32

import numpy as np
from numpy import ndarray
from scipy import stats

from minimoe.bootstrap.differences import LEVEL
from minimoe.bootstrap.replicates import known_share


class Luck:
    """The luck of groups of members, drawn once for all the comparisons that they are in.

    Args:
        drawn: replicates of all models' scores by task [M, K, B]. whole: the scores themselves [M, K].
        groups: by name, the places of a group's members; at least two each. seed: of the draws.
    """

    def __init__(self, drawn: ndarray, whole: ndarray, groups: Mapping[str, Sequence[int]], seed: int):
        self._count, self._seed = drawn.shape[-1], seed
        self._groups = {name: list(members) for name, members in groups.items()}
        self._scores = 1 + whole.shape[1]  # the mean over tasks is one more
        means = {name: _with_mean(whole[members]) for name, members in self._groups.items()}
        spread = [_with_mean(drawn[members]) for members in self._groups.values()]
        self._known = np.array(
            [
                known_share([own[:, k] for own in spread], [own[:, k].tolist() for own in means.values()])
                for k in range(self._scores)
            ]
        )  # of the variance of members [K + 1]
        self._deviations = {name: own - own.mean(0) for name, own in means.items()}
        self._drawn = {name: self._draw(own, len(own) - 1, name) for name, own in self._deviations.items()}

    def between(self, first: Sequence[int], second: Sequence[int]) -> ndarray:
        """What to add to replicates of the mean of the models `first` minus that of `second`, by task and over all.

        [K + 1, B]; 0 where neither side has a group. What is over all is not the mean of what is by task: a member may
        be lucky on all of them.
        A model that stands alone against a group is taken to have the luck of that group's members.
        """
        sides = [self._within(first), self._within(second)]
        freedom = sum(len(self._groups[name]) - 1 for side in sides for name in side)
        if not freedom:
            return np.zeros((self._scores, 1))
        total = np.zeros((self._scores, 1))
        for sign, side, other, models in zip((1, -1), sides, sides[::-1], (first, second), strict=True):
            for name in side:
                total = total + sign * len(self._groups[name]) / len(models) * self._drawn[name]
            if not side and len(models) == 1:
                pool = np.concatenate([self._deviations[name] for name in other])
                alone = self._draw(pool, 1, str(models[0])) * np.sqrt(len(pool) / freedom)
                total = total + sign * alone
        wider = stats.t.ppf(1 - LEVEL / 2, freedom) / stats.norm.ppf(1 - LEVEL / 2)
        return total * np.sqrt(np.maximum(0, wider**2 - self._known))[:, None]

    def _within(self, models: Sequence[int]) -> list[str]:
        return [name for name, members in self._groups.items() if set(members) <= set(models)]

    def _draw(self, deviations: ndarray, size: int, for_: str) -> ndarray:
        """Means of `size` of the deviations [n, K], drawn anew for each replicate [K, B]."""
        rng = np.random.default_rng([self._seed, crc32(for_.encode())])
        return deviations[rng.integers(0, len(deviations), (self._count, size))].mean(1).T


def _with_mean(values: ndarray) -> ndarray:
    """Scores [n, K, ...] and their mean over tasks as one more."""
    return np.concatenate([values, values.mean(1, keepdims=True)], axis=1)
