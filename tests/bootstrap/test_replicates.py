"""Replicates: the same examples for all models, seeds of each, and as wide as the noise that they stand for."""

import numpy as np
import pytest

from minimoe.bootstrap.differences import corrected, interval
from minimoe.bootstrap.replicates import Answers, replicates, scores

SIZE = 300


def simulated(rng, ability: list[float], seeds: int = 1, luck: float = 0.0, shared: float = 1.0) -> Answers:
    """Models that are right with these probabilities, a seed more or less so by `luck`; examples are hard for all."""
    hard = rng.normal(0, shared, SIZE)
    runs = [
        [((hard + rng.normal(0, 1, SIZE)) < level + rng.normal(0, luck)).astype(int) for _ in range(seeds)]
        for level in ability
    ]
    return Answers("accuracy", np.ones(SIZE, int), runs)


def difference(answers: list[Answers], seed: int, count: int = 400) -> tuple[float, np.ndarray]:
    means = [[np.mean(own) for own in scores(task)] for task in answers]
    drawn = np.mean([replicates([task], [seed, place], count) for place, task in enumerate(answers)], axis=0)
    return float(np.mean([one - other for one, other in means])), drawn[0] - drawn[1]


def false_alarms(seeds: int, luck: float, times: int = 300) -> float:
    rng, found = np.random.default_rng(1), 0
    for number in range(times):
        mean, drawn = difference([simulated(rng, [1.0, 1.0], seeds, luck) for _ in range(4)], number)
        found += corrected(np.array([mean]), drawn[None])[0] <= 0.05
    return found / times


@pytest.mark.slow
@pytest.mark.parametrize(("seeds", "luck"), [(1, 0.0), (3, 0.0), (3, 0.2)])
def test_equal_models_are_told_apart_in_one_case_of_twenty(seeds, luck):
    assert 0.01 <= false_alarms(seeds, luck) <= 0.09


@pytest.mark.slow
def test_the_luck_of_seeds_counts():
    """With several seeds it is in the interval; with one nothing can tell it, and the text says so."""
    assert false_alarms(1, 0.2) > 0.15 > false_alarms(3, 0.2)


def test_different_models_are_found():
    rng = np.random.default_rng(2)
    for number in range(20):
        mean, drawn = difference([simulated(rng, [1.3, 0.9], 2) for _ in range(4)], number)
        assert interval(mean, drawn).low > 0 and corrected(np.array([mean]), drawn[None])[0] <= 0.01


def test_models_that_are_right_together_have_a_narrow_interval():
    def width(shared: float) -> float:
        mean, drawn = difference([simulated(np.random.default_rng(4), [1.0, 1.0], shared=shared)], 0)
        found = interval(mean, drawn)
        return found.high - found.low

    answers = simulated(np.random.default_rng(4), [1.0, 1.0], shared=3.0)
    drawn = replicates([answers], 0, 400)
    alone = replicates([Answers(answers.metric, answers.gold, answers.runs[1:])], 5, 400)
    assert (drawn[0] - drawn[1]).std() < 0.8 * (drawn[0] - alone[0]).std()  # against other draws for the second
    assert width(3.0) < width(0.0)


def test_a_replicate_is_the_score_of_the_same_draws_for_every_model():
    answers = simulated(np.random.default_rng(0), [0.5, 0.5])
    twice = Answers(answers.metric, answers.gold, [answers.runs[0], answers.runs[0], answers.runs[1]])
    drawn = replicates([twice], 7, 50)
    assert (drawn[0] == drawn[1]).all() and not (drawn[0] == drawn[2]).all()
    assert (replicates([twice], 7, 50) == drawn).all() and not (replicates([twice], 8, 50) == drawn).all()


def test_the_spread_of_replicates_is_the_standard_error():
    """Of a mean of seeds that differ by luck alone: the sample variance over the number of seeds."""
    rng, size = np.random.default_rng(0), 20_000
    runs = [[(rng.random(size) < level).astype(int) for level in (0.5, 0.6, 0.8)]]
    answers = Answers("accuracy", np.ones(size, int), runs)
    wanted = np.var(scores(answers)[0], ddof=1) / 3
    assert replicates([answers], 0, 4000)[0].var() == pytest.approx(wanted, rel=0.1)


def test_columns_of_a_task_move_with_the_same_seeds():
    rng = np.random.default_rng(0)
    columns = [simulated(rng, [1.0], 3, 0.5) for _ in range(2)]
    together = replicates(columns, 1, 2000)[0]
    assert together.mean() == pytest.approx(np.mean([scores(column) for column in columns]), abs=0.3)


def test_a_correction_by_the_largest_statistic_is_computed_as_it_is_written():
    rng = np.random.default_rng(5)
    means, drawn = np.array([0.2, 3.0, -2.2, 1.0]), rng.normal(0, 1, (4, 999))
    drawn[3] = drawn[2] + 0.1 * drawn[3]  # one that goes with another
    centred = drawn - drawn.mean(1, keepdims=True)
    ratio, spread = np.abs(means) / centred.std(1), np.abs(centred) / centred.std(1, keepdims=True)
    left, wanted, largest = list(range(4)), np.zeros(4), 0.0
    while left:
        best = max(left, key=lambda place: ratio[place])
        largest = max(largest, (1 + sum(spread[left].max(0) >= ratio[best])) / 1000)
        wanted[best] = largest
        left.remove(best)
    assert corrected(means, drawn) == pytest.approx(wanted)


def test_the_correction_holds_over_many_comparisons_and_is_no_harder_than_holms():
    rng, alarms, holm = np.random.default_rng(6), 0, 0
    for _ in range(200):
        drawn = rng.normal(0, 1, (20, 2000))
        means = rng.normal(0, 1, 20)
        alarms += corrected(means, drawn).min() <= 0.05
        each = np.array([corrected(means[place : place + 1], drawn[place : place + 1])[0] for place in range(20)])
        holm += 20 * each.min() <= 0.05
    assert holm / 200 - 0.02 <= alarms / 200 <= 0.1


def test_models_that_all_resamples_find_alike_or_as_far_apart_are_never_told_apart():
    assert corrected(np.array([0.0, 5.0]), np.stack([np.zeros(99), np.full(99, 5.0)])) == pytest.approx([1.0, 1.0])
