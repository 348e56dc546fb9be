"""The luck of distillation in replicates: how far means move with other members of a group of equal models.

Members differ by the seed of their distillation alone. They are too few to be drawn from: draws of two have no tails.
So luck is drawn from the normal distribution with their variance. A variance that so few show may be far too small by
chance, so each replicate takes another one that they could have come from; over all replicates the mean then varies as
Student's t does. Replicates hold luck with examples and with the seeds of finetuning already, which make members differ
too: that part of the variance is taken off, as `replicates` does between seeds of finetuning.

Letters: M models, K tasks, B replicates, n members.
"""

from collections.abc import Mapping, Sequence
from zlib import crc32

import numpy as np
from numpy import ndarray

from minimoe.bootstrap.replicates import known_share


class Luck:
    """The luck of groups of members, drawn once for all the comparisons that they are in.

    Args:
        drawn: replicates of all models' scores by task [M, K, B]. whole: the scores themselves [M, K].
        groups: by name, the places of a group's members; at least two each. seed: of the draws.
    """

    def __init__(self, drawn: ndarray, whole: ndarray, groups: Mapping[str, Sequence[int]], seed: int):
        self._count, self._half, self._seed = drawn.shape[-1], -(-drawn.shape[-1] // 2), seed
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

    def between(self, first: Sequence[int], second: Sequence[int]) -> ndarray:
        """What to add to replicates of the mean of the models `first` minus that of `second`, by task and over all.

        [K + 1, B]; 0 where neither side has a group. What is over all is not the mean of what is by task: a member may
        be lucky on all of them.
        A model without a group is taken to have the luck of the groups' members.
        """
        sides = [self._within(first), self._within(second)]
        members = [self._deviations[name] for name in dict.fromkeys([*sides[0], *sides[1]])]
        if not members:
            return np.zeros((self._scores, 1))
        freedom, total = sum(len(own) - 1 for own in members), np.zeros((self._scores, 1))
        for sign, names, models in zip((1, -1), sides, (first, second), strict=True):
            for name in names:
                own = self._deviations[name]
                share = np.sqrt(len(own) / (len(own) - 1)) / len(models)  # of the sum of n normal values
                total = total + sign * share * self._drawn(own, name)
            grouped = {model for name in names for model in self._groups[name]}
            for model in [model for model in models if model not in grouped]:
                alone = self._drawn(np.concatenate(members), str(model)) / np.sqrt(freedom)
                total = total + sign * alone / len(models)
        chances = self._rng(f"chi-square {freedom}").chisquare(freedom, self._half) / freedom
        larger = 1 / np.tile(chances, 2)[: self._count]  # than what was seen: the variance
        return total * np.sqrt(np.maximum(0, larger - self._known[:, None]))  # none is left where examples explain it

    def _within(self, models: Sequence[int]) -> list[str]:
        return [name for name, members in self._groups.items() if set(members) <= set(models)]

    def _drawn(self, deviations: ndarray, name: str) -> ndarray:
        """Normal values [K, B] whose covariance is the sum of squares of the deviations [n, K]; their mean is 0."""
        half = self._rng(name).standard_normal((len(deviations), self._half))
        return deviations.T @ np.concatenate([half, -half], axis=1)[:, : self._count]

    def _rng(self, name: str) -> np.random.Generator:
        return np.random.default_rng([self._seed, crc32(name.encode())])


def _with_mean(values: ndarray) -> ndarray:
    """Scores [n, K, ...] and their mean over tasks as one more."""
    return np.concatenate([values, values.mean(1, keepdims=True)], axis=1)
