"""Bootstrap replicates of all models' scores: the same examples drawn for all, and seeds of each model.

A replicate draws as many examples as there are, with replacement, and takes every model's mean over its seeds on them:
a paired bootstrap, since what makes a draw easy makes it so for all (Efron & Tibshirani, An Introduction to the
Bootstrap, 1993; Berg-Kirkpatrick, Burkett & Klein, EMNLP 2012). To it comes how far the mean moves with other seeds: of
S seeds, S - 1 are drawn with replacement, since the mean of S draws would vary by (S - 1) / S too little (Rao & Wu,
JASA 83, 1988). Seeds differ partly by luck with the examples, which the first draw holds already; that part of their
spread, known from the replicates, is left out of the second draw.

Letters: M models, S seeds, B replicates, N examples.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy import ndarray

from minimoe.bootstrap.weighted import weighted_scores

REPLICATES = 2000
AT_ONCE = 10_000_000  # weights


@dataclass(frozen=True, eq=False)
class Answers:
    """What models answered to the examples of one column of the table; as in `finetune.predictions`."""

    metric: str
    gold: ndarray  # [N], with several labels at once [N, labels]
    runs: list[list[ndarray]]  # by model and seed, each [N], [N, labels], or of tags [N, 2]


def scores(answers: Answers) -> list[list[float]]:
    """The score of each model and seed on the examples as they are."""
    once = np.ones((1, len(answers.gold)))
    return [weighted_scores(answers.metric, answers.gold, runs, once)[:, 0].tolist() for runs in answers.runs]


def replicates(columns: Sequence[Answers], seed: int | Sequence[int], count: int) -> ndarray:
    """Replicates of the score on a task [M, B]: of the mean of its columns, whose runs are the same.

    seed: of the draws; another task needs another one.
    """
    rng = np.random.default_rng(seed)
    drawn = [_over_examples(answers, rng, count) for answers in columns]  # of each column, by model, [S, B]
    whole = [scores(answers) for answers in columns]
    made = []
    shares = [np.sqrt(max(0.0, 1 - known_share(*pair))) for pair in zip(drawn, whole, strict=True)]
    for model in range(len(columns[0].runs)):
        runs = len(columns[0].runs[model])
        total = np.mean([column[model].mean(0) for column in drawn], axis=0)
        if runs > 1:
            chosen = rng.integers(0, runs, (count, runs - 1))
            for share, column in zip(shares, whole, strict=True):
                own = np.array(column[model])
                total += share * (own[chosen].mean(1) - own.mean()) / len(columns)
        made.append(total)
    return np.stack(made)


def _over_examples(answers: Answers, rng: np.random.Generator, count: int) -> list[ndarray]:
    """By model, the score of each seed in each resample of the examples [S, B]."""
    size, runs = len(answers.gold), [run for own in answers.runs for run in own]
    step, found = max(1, AT_ONCE // size), []
    for start in range(0, count, step):
        weights = _resamples(size, min(step, count - start), rng)
        found.append(weighted_scores(answers.metric, answers.gold, runs, weights))
    return np.split(np.concatenate(found, axis=1), np.cumsum([len(own) for own in answers.runs])[:-1])


def _resamples(size: int, count: int, rng: np.random.Generator) -> ndarray:
    """How often each example is drawn [count, size]."""
    weights = np.empty((count, size), np.float32)  # which holds whole numbers up to 16 million exactly
    for row in weights:
        row[:] = np.bincount(rng.integers(0, size, size), minlength=size)
    return weights


def known_share(drawn: Sequence[ndarray], whole: Sequence[Sequence[float]]) -> float:
    """Which share of the variance over seeds is in the replicates already; over all models. 1 where there is none.

    The variance over seeds is that of seeds and that of examples for a seed by itself. The latter is the variance over
    resamples of how far a seed is from the mean of the seeds.

    drawn, whole: by model, the replicates [S, B] and the scores [S] of its seeds.
    """
    several = [place for place, column in enumerate(whole) if len(column) > 1]
    spread = sum(np.var(whole[place], ddof=1) for place in several)
    alone = sum((drawn[place] - drawn[place].mean(0)).var(1).sum() / (len(whole[place]) - 1) for place in several)
    return float(alone / spread) if spread > 0 else 1.0
