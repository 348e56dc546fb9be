"""When several processes tell each other of a checkpoint that is due, or that one of them was asked to end."""

from types import SimpleNamespace

import pytest

import minimoe.resume.checkpoints
from minimoe.resume.checkpoints import POLL, Checkpoints


class Clock:
    now = 0.0

    def monotonic(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(minimoe.resume.checkpoints, "time", clock)
    return clock


class Pair:
    """Two processes of which this is the main one; the other was asked to end, or not. Counts what they tell."""

    num_processes, is_main_process, device = 2, True, "cpu"

    def __init__(self):
        self.told, self.other_asked = 0, False

    def reduce(self, flags, how):
        assert how == "sum"
        self.told += 1
        flags[0] += self.other_asked
        return flags


@pytest.mark.parametrize(("seconds", "between"), [(0.01, 200), (0.5, 4), (5.0, 1)])
def test_processes_tell_each_other_every_two_seconds(clock, tmp_path, seconds, between):
    checkpoints, pair = Checkpoints(tmp_path), Pair()
    for _ in range(1000):
        clock.now += seconds
        assert checkpoints.decide(pair) == (False, False)
    assert POLL == 2 and pair.told == pytest.approx(1000 / between, rel=0.2, abs=2)


def test_a_request_is_followed_by_all_within_a_few_steps(clock, tmp_path):
    checkpoints, pair, decided = Checkpoints(tmp_path), Pair(), []
    for step in range(40):
        clock.now += 0.5
        pair.other_asked = step >= 20
        decided.append(checkpoints.decide(pair))
    first = decided.index((True, True))
    assert 20 <= first <= 24 and not any(any(flags) for flags in decided[:first])


def test_checkpoints_at_every_step_are_told_of_at_every_step(clock, tmp_path):
    checkpoints, pair = Checkpoints(tmp_path, minutes=0), Pair()
    for _ in range(10):
        clock.now += 0.01
        assert checkpoints.decide(pair) == (True, False)


def test_one_process_tells_nobody(clock, tmp_path):
    checkpoints = Checkpoints(tmp_path, minutes=1)
    alone = SimpleNamespace(num_processes=1)
    assert checkpoints.decide(alone) == (False, False)
    clock.now = 60
    assert checkpoints.decide(alone) == (True, False)
