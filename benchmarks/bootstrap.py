"""The bootstrap behind the report's intervals: replicates a second, all runs at once against one after another.

Made-up answers to as many examples as dev sets have. Both sides have the same draws, and
the same numbers to 1e-9, or it is an error.
"""

import numpy as np
from numpy import ndarray

from benchmarks import naive_bootstrap
from benchmarks.measure import Row, in_turn
from minimoe.bootstrap.weighted import weighted_scores

RUNS = 30
DRAWS = 500  # of the same examples by both sides
SETS = [  # metric, examples, and labels of a sentence or a tagged one
    ("GLUE's small sets", [("matthews", 1043, 2), ("accuracy", 872, 2), ("f1", 408, 2), ("accuracy", 277, 2)]),
    ("STS-B", [("spearman", 1500, 0)]),
    ("QQP, MNLI and QNLI", [("f1", 40430, 2), ("accuracy", 9815, 3), ("accuracy", 9832, 3), ("accuracy", 5463, 2)]),
    ("CoNLL-2003", [("chunk_f1", 3250, 0), ("chunk_f1", 3453, 0)]),
]


def run() -> list[Row]:
    """A row for each kind of column, without the drawing, which is the same on both sides."""
    rng = np.random.default_rng(0)
    return [
        _row(f"bootstrap of {name}, {RUNS} runs", [_column(*one, rng) for one in columns]) for name, columns in SETS
    ]


def _row(name: str, columns: list[tuple]) -> Row:
    def ours() -> list[ndarray]:
        return [weighted_scores(*column) for column in columns]

    def naive() -> list[ndarray]:
        return [
            np.stack([naive_bootstrap.score(metric, gold, run, weights) for run in runs])
            for metric, gold, runs, weights in columns
        ]

    for one, other in zip(ours(), naive(), strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-9)
    own, first = in_turn(ours, naive, repeats=5)
    return Row(name, "replicates/s", DRAWS / own, DRAWS / first, "run after run")


def _column(
    metric: str, size: int, labels: int, rng: np.random.Generator
) -> tuple[str, ndarray, list[ndarray], ndarray]:
    """What `weighted_scores` takes."""
    weights = np.stack([np.bincount(rng.integers(0, size, size), minlength=size) for _ in range(DRAWS)])
    if metric == "spearman":
        gold = np.round(rng.uniform(0, 5, size), 1)
        runs = [gold + rng.normal(0, 1, size) for _ in range(RUNS)]
    elif metric == "chunk_f1":
        gold = rng.integers(0, 5, size)
        given = [np.maximum(0, gold + rng.integers(-1, 2, size)) for _ in range(RUNS)]
        runs = [np.stack([own, np.minimum(own, gold)], 1) for own in given]
    else:
        gold = rng.integers(0, labels, size)
        runs = [np.where(rng.random(size) < 0.8, gold, rng.integers(0, labels, size)) for _ in range(RUNS)]
    return metric, gold, runs, weights.astype(np.float32)
