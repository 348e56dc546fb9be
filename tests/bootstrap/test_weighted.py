"""Metrics over weights against scikit-learn's and SciPy's on the resampled examples."""

import numpy as np
import pytest

from minimoe.bootstrap.weighted import weighted_scores
from minimoe.finetune.metrics import METRICS

SIZE, DRAWS = 60, 40


def answers(metric: str, rng):
    """Gold, predicted, as the metric takes them; and as the file of predictions has them."""
    if metric in ("pearson", "spearman"):
        gold = rng.integers(0, 6, SIZE).astype(float)  # with ties
        return gold, (found := np.round(gold + rng.normal(0, 2, SIZE), 1)), gold, found
    if metric in ("chunk_f1", "tag_accuracy"):
        names = np.array(["O", "B-PER", "I-PER", "B-LOC"])
        gold = [list(names[rng.integers(0, 4, 5)]) for _ in range(SIZE)]
        found = [[tag if rng.random() < 0.8 else "O" for tag in tags] for tags in gold]
        from minimoe.finetune.predictions import given, right
        from minimoe.tasks.task import Split, Task

        task = Task(
            name="x", kind="tagging", columns=(), labels=tuple(names), metrics=(metric,), splits=(Split("dev"),)
        )
        return gold, found, right(task, gold), given(task, gold, found)
    shape = (SIZE, 4) if metric in ("micro_f1", "several") else SIZE
    classes = 2 if metric in ("f1", "micro_f1", "several") else 12  # some are in few resamples
    gold = rng.integers(0, classes, shape)
    found = np.where(rng.random(shape) < 0.4, rng.integers(0, classes, shape), gold)
    if metric == "several":
        gold[:, 3], found[:, 3] = 0, 0
        gold[0, 3] = 1  # a label that few resamples have
    return gold, found, gold, found


@pytest.mark.slow
@pytest.mark.parametrize("metric", [*METRICS, "several"])
def test_a_weighted_score_is_the_score_of_the_resampled_examples(metric):
    rng = np.random.default_rng(3)
    gold, found, *written = answers(metric, rng)
    draws = [np.arange(SIZE), *rng.integers(0, SIZE, (DRAWS, SIZE))]
    weights = np.stack([np.bincount(draw, minlength=SIZE) for draw in draws]).astype(np.float32)
    name = "macro_f1" if metric == "several" else metric
    wanted = [100 * METRICS[name]([gold[i] for i in draw], [found[i] for i in draw]) for draw in draws]
    assert len(set(wanted)) > DRAWS / 4
    gold, found = written
    other = np.roll(found, 1, axis=0)
    both = weighted_scores(name, gold, [found, other], weights)
    assert both[0] == pytest.approx(wanted, abs=1e-4)
    assert (weighted_scores(name, gold, [other], weights)[0] == both[1]).all()  # whatever runs stand beside it


@pytest.mark.parametrize("metric", ["pearson", "spearman", "matthews", "f1"])
def test_where_all_answers_are_one_the_score_is_nothing(metric):
    gold, weights = np.array([0, 1, 0, 1]), np.ones((1, 4), np.float32)
    assert weighted_scores(metric, gold, [np.zeros(4, int)], weights) == 0
    only = np.array([[2, 0, 2, 0]], np.float32)  # a resample that holds one gold label alone
    assert weighted_scores(metric, gold, [np.array([0, 1, 1, 0])], only) == 0


def test_runs_and_resamples_in_blocks_score_as_all_at_once(monkeypatch):
    rng = np.random.default_rng(4)
    weights = rng.multinomial(SIZE, [1 / SIZE] * SIZE, 7).astype(np.float32)
    for metric in METRICS:
        _, _, gold, first = answers(metric, rng)
        runs = [first, *(rng.permutation(first) for _ in range(4))]
        wanted = weighted_scores(metric, gold, runs, weights)
        with monkeypatch.context() as patch:
            patch.setattr("minimoe.bootstrap.weighted.COUNTS", 5 * SIZE)
            patch.setattr("minimoe.bootstrap.weighted.CACHED", 3 * SIZE)
            assert weighted_scores(metric, gold, runs, weights) == pytest.approx(wanted, abs=1e-9)
