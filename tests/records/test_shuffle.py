import numpy as np
import pytest

from minimoe.records.shuffle import shuffled

SIZES = [1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33, 100, 127, 128, 129, 1000, 4095, 4096, 4097, 70_001]


def order(count, seed=776, epoch=0):
    return shuffled(range(count), seed, epoch, 0, count)


@pytest.mark.parametrize("count", SIZES)
def test_every_number_comes_once(count):
    for seed, epoch in ((776, 0), (776, 1), (0, 0), (2**63, 7)):
        drawn = order(count, seed, epoch)
        assert drawn.dtype == np.int64 and sorted(drawn) == list(range(count))


@pytest.mark.parametrize("count", [3, 100, 4097])
def test_a_part_is_a_part_of_the_whole(count):
    whole = order(count).tolist()
    for start, stop in ((0, 1), (count // 3, count), (count // 2, count // 2), (1, count - 1)):
        assert shuffled(range(count), 776, 0, start, stop).tolist() == whole[start:stop]


def test_other_seeds_and_epochs_have_other_orders():
    orders = [tuple(order(50, seed, epoch)) for seed in range(10) for epoch in range(10)]
    assert len(set(orders)) == 100


def test_few_numbers_come_in_all_orders():
    assert {tuple(order(3, 776, epoch)) for epoch in range(100)} == {
        (0, 1, 2), (0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0),
    }  # fmt: skip


def test_arrays_are_shuffled_as_ranges_are():
    numbers = np.arange(0, 2000, 2)
    assert shuffled(numbers, 1, 2, 5, 900).tolist() == (2 * shuffled(range(1000), 1, 2, 5, 900)).tolist()
    assert shuffled(range(7, 17), 1, 2, 0, 10).tolist() == (7 + order(10, 1, 2)).tolist()


def test_the_order_is_the_same_everywhere():
    assert order(10).tolist() == [0, 9, 5, 1, 7, 8, 3, 4, 2, 6]
    assert shuffled(range(706_000_000), 776, 3, 10**8, 10**8 + 3).tolist() == [72213349, 654238237, 195011733]


@pytest.mark.parametrize("count", [1000, 1024, 1025])
def test_places_are_uniform_and_neighbours_are_not_correlated(count):
    epochs = 400
    orders = np.array([order(count, 776, epoch) for epoch in range(epochs)])
    tenths = orders * 10 // count
    for place in (
        0,
        1,
        count // 2,
        count - 1,
    ):  # the tenth that stands there: chi-squared, 9 degrees
        seen = np.bincount(tenths[:, place], minlength=10)
        assert ((seen - epochs / 10) ** 2 / (epochs / 10)).sum() < 40
    for lag in (1, 2, 32, count // 2):
        pairs = np.corrcoef(orders[:, :-lag].ravel(), orders[:, lag:].ravel())[0, 1]
        assert abs(pairs + 1 / (count - 1)) < 5 / np.sqrt(epochs * (count - lag))
    steps = np.diff(orders, axis=1)  # no step from one record to the next is common
    assert (steps == 1).mean() < 3 / count
    same = (orders[1:] == orders[:-1]).mean() * count  # records that keep their place in the next epoch: 1 by chance
    assert 0.7 < same < 1.3
