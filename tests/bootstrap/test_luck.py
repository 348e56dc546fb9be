"""Intervals between groups of seeds hold a known difference as often as they say."""

import numpy as np
import pytest
from scipy.stats import norm, t, ttest_ind

from minimoe.bootstrap.differences import corrected, interval
from minimoe.bootstrap.luck import Luck
from minimoe.bootstrap.replicates import Answers, replicates, scores

SIZE, TASKS = 200, 2
ABILITY = (1.2, 0.9)  # of two methods
HARD, RUN = 1.0, 0.1  # how far examples and seeds of finetuning differ


def trial(rng, seed: int, members: tuple[int, int], luck: float, seeds: int) -> tuple[np.ndarray, np.ndarray]:
    """Scores [M, TASKS] and replicates of the members of two methods."""
    levels = [level for level, n in zip(ABILITY, members, strict=True) for level in level + rng.normal(0, luck, n)]
    whole, drawn = [], []
    for task in range(TASKS):
        hard = rng.normal(0, HARD, SIZE)
        runs = [
            [(hard + rng.normal(0, 1, SIZE) < level + rng.normal(0, RUN)).astype(int) for _ in range(seeds)]
            for level in levels
        ]
        answers = Answers("accuracy", np.ones(SIZE, int), runs)
        whole.append([np.mean(own) for own in scores(answers)])
        drawn.append(replicates([answers], [seed, task], 300))
    return np.array(whole).T, np.stack(drawn, 1)


def coverage(members: tuple[int, int], luck: float, seeds: int = 2, told: bool = True, times: int = 200) -> float:
    """How often the interval of the mean over tasks holds the true difference."""
    spread = np.sqrt(HARD**2 + 1 + RUN**2 + luck**2)
    truth = 100 * (norm.cdf(ABILITY[0] / spread) - norm.cdf(ABILITY[1] / spread))
    rng, held = np.random.default_rng(1), 0
    first, second = range(members[0]), range(members[0], sum(members))
    for number in range(times):
        whole, drawn = trial(rng, number, members, luck, seeds)
        groups = {name: own for name, own in (("first", first), ("second", second)) if len(own) > 1}
        made = (drawn[list(first)].mean(0) - drawn[list(second)].mean(0)).mean(0)
        if told:
            made = made + Luck(drawn, whole, groups, number).between(first, second)[-1]
        mean = whole[list(first)].mean() - whole[list(second)].mean()
        found = interval(mean, made)
        held += found.low <= truth <= found.high
    return held / times


@pytest.mark.slow
@pytest.mark.parametrize(
    ("members", "luck", "seeds"), [((3, 3), 0.25, 2), ((3, 3), 0.25, 1), ((3, 3), 0.0, 2), ((3, 1), 0.25, 2)]
)
def test_intervals_hold_the_true_difference_in_about_nineteen_of_twenty(members, luck, seeds):
    assert 0.91 <= coverage(members, luck, seeds) <= 0.99


@pytest.mark.slow
def test_without_the_luck_of_members_they_do_not():
    assert coverage((3, 3), 0.25, told=False) < 0.6


def of_luck_alone(rng, members: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Means [1] of a difference and its replicates [1, B] of two methods alike, on a task with very many examples."""
    whole = rng.normal(50, 1, (sum(members), 1))
    drawn = np.repeat(whole[:, :, None], 2000, axis=2) + rng.normal(0, 0.01, (sum(members), 1, 2000))
    first, second = range(members[0]), range(members[0], sum(members))
    groups = {name: own for name, own in (("first", first), ("second", second)) if len(own) > 1}
    luck = Luck(drawn, whole, groups, int(rng.integers(1 << 30))).between(first, second)[-1]
    made = drawn[list(first), 0].mean(0) - drawn[list(second), 0].mean(0) + luck
    return np.array([whole[list(first)].mean() - whole[list(second)].mean()]), made[None]


@pytest.mark.slow
@pytest.mark.parametrize("members", [(2, 2), (3, 3), (2, 1), (3, 1)])
def test_luck_alone_is_taken_for_a_difference_as_often_as_the_level_says(members):
    rng, times = np.random.default_rng(0), 600
    p = np.array([corrected(*of_luck_alone(rng, members))[0] for _ in range(times)])
    assert 0.025 <= (p <= 0.05).mean() <= 0.075  # the deviation of such a share is 0.009
    assert (p <= 0.01).mean() <= 0.025


def test_p_is_that_of_a_t_test_where_there_is_nothing_but_luck():
    whole = np.array([[52.0], [53.0], [49.5], [50.5]])
    drawn = np.repeat(whole[:, :, None], 20_000, axis=2)
    luck = Luck(drawn, whole, {"first": range(2), "second": range(2, 4)}, 0).between(range(2), range(2, 4))[-1]
    p = corrected(np.array([2.5]), (2.5 + luck)[None])[0]
    assert p == pytest.approx(ttest_ind(whole[:2, 0], whole[2:, 0]).pvalue, rel=0.05)


def test_a_mean_of_models_without_seeds_is_as_lucky_as_so_many_members():
    """Four models of one seed each against a group of three: the variance of a member over four, and over three."""
    whole = np.array([[1.0], [2.0], [3.0], [9.0], [9.0], [9.0], [9.0]])
    drawn = np.repeat(whole[:, :, None], 40_000, axis=2)
    made = Luck(drawn, whole, {"one": range(3)}, 0).between(range(3, 7), range(3))[0]
    low, high = np.quantile(made, [0.025, 0.975])
    assert (high - low) / 2 == pytest.approx(np.sqrt(1 / 4 + 1 / 3) * t.ppf(0.975, 2), rel=0.05)


def test_the_spread_of_draws_is_the_standard_error_widened_once():
    """Members that differ by luck alone, on two tasks alike; examples are so many that they tell nothing."""
    whole = np.array([[1.0, 2.0], [3.0, 4.0], [8.0, 9.0], [5.0, 5.0], [5.5, 5.5], [9.0, 9.0]])
    drawn = np.repeat(whole[:, :, None], 20_000, axis=2)
    made = Luck(drawn, whole, {"one": range(3), "other": range(3, 6)}, 0).between(range(3), range(3, 6))
    error = np.sqrt(whole[:3, 0].var(ddof=1) / 3 + whole[3:, 0].var(ddof=1) / 3)
    assert np.quantile(made, 0.975, axis=1) == pytest.approx([error * t.ppf(0.975, 4)] * 3, rel=0.03)
    assert (made[0] == made[1]).all() and made[2] == pytest.approx(made[0])


def test_what_examples_explain_is_not_counted_twice():
    """Members whose scores differ as much as draws of the examples make them: with these it is Student's t."""
    rng = np.random.default_rng(0)
    whole = np.array([[1.0], [2.0], [3.0]])
    drawn = whole[:, :, None] + rng.normal(0, 1, (3, 1, 20_000))
    made = drawn.mean((0, 1)) + Luck(drawn, whole, {"one": range(3)}, 0).between(range(3), [])[0]
    # where less than the seen variance is drawn, the examples' is there all the same: a little more than t
    assert t.ppf(0.975, 2) <= (np.quantile(made, 0.975) - 2) * np.sqrt(3) <= 1.1 * t.ppf(0.975, 2)


def test_where_no_side_is_a_group_nothing_is_added():
    luck = Luck(np.ones((3, 2, 9)), np.ones((3, 2)), {"one": range(2)}, 0)
    assert not luck.between([0], [2]).any()
