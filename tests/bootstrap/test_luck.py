"""Intervals between groups of seeds hold a known difference as often as they say."""

import numpy as np
import pytest
from scipy.stats import norm, t

from minimoe.bootstrap.differences import interval
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


@pytest.mark.parametrize(
    ("members", "luck", "seeds"), [((3, 3), 0.25, 2), ((3, 3), 0.25, 1), ((3, 3), 0.0, 2), ((3, 1), 0.25, 2)]
)
def test_intervals_hold_the_true_difference_in_about_nineteen_of_twenty(members, luck, seeds):
    assert 0.91 <= coverage(members, luck, seeds) <= 0.99


def test_without_the_luck_of_members_they_do_not():
    assert coverage((3, 3), 0.25, told=False) < 0.6


def test_the_spread_of_draws_is_the_standard_error_widened_once():
    """Members that differ by luck alone, on two tasks alike; examples are so many that they tell nothing."""
    whole = np.array([[1.0, 2.0], [3.0, 4.0], [8.0, 9.0], [5.0, 5.0], [5.5, 5.5], [9.0, 9.0]])
    drawn = np.repeat(whole[:, :, None], 20_000, axis=2)
    made = Luck(drawn, whole, {"one": range(3), "other": range(3, 6)}, 0).between(range(3), range(3, 6))
    error = np.sqrt(whole[:3, 0].var(ddof=1) / 3 + whole[3:, 0].var(ddof=1) / 3)
    assert made.std(1) == pytest.approx([error * t.ppf(0.975, 4) / norm.ppf(0.975)] * 3, rel=0.03)
    assert (made[0] == made[1]).all() and made[2] == pytest.approx(made[0])


def test_what_examples_explain_is_not_counted_twice():
    """Members whose scores differ as much as draws of the examples make them: what is added is the widening alone."""
    rng = np.random.default_rng(0)
    whole = np.array([[1.0], [2.0], [3.0]])
    drawn = whole[:, :, None] + rng.normal(0, 1, (3, 1, 20_000))
    made = Luck(drawn, whole, {"one": range(3)}, 0).between(range(3), [])[0]
    wider = (t.ppf(0.975, 2) / norm.ppf(0.975)) ** 2
    assert made.var() == pytest.approx((wider - 1) / 3, rel=0.05)


def test_where_no_side_is_a_group_nothing_is_added():
    luck = Luck(np.ones((3, 2, 9)), np.ones((3, 2)), {"one": range(2)}, 0)
    assert not luck.between([0], [2]).any()
