"""Two processes train as one: they save when one would, draw their own noise, and take over from another number."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from distill.pair import BEGUN, BOTH, CALM, UNREACHED, Counted, begin
from tiny_rounds import DENSE, run, weights

from minimoe.resume.checkpoints import Checkpoints

SCRIPT = Path(__file__).with_name("pair.py")
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("pair")


@pytest.fixture(scope="module")
def pair(teacher, folder):
    """What each of the two saw."""
    begin(teacher, BOTH, folder / "begun elsewhere")
    paths = [SCRIPT.parent, SCRIPT.parents[1], *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(map(str, paths)), "OMP_NUM_THREADS": "1"}
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    command = [sys.executable, *launcher, str(SCRIPT), str(teacher), str(folder)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    return [torch.load(folder / f"{rank}.pt", weights_only=True) for rank in range(2)]


@pytest.fixture(scope="module")
def alone(teacher):
    """What one process trains."""
    return run(teacher, BOTH, **CALM)


def assert_close(ours, expected):
    torch.testing.assert_close(ours, expected, rtol=1e-4, atol=1e-5)


def test_checkpoints_are_saved_as_often_as_by_one(teacher, tmp_path, pair, monkeypatch):
    monkeypatch.setattr("minimoe.resume.checkpoints.time", time)  # to have it back
    counted = Counted(tmp_path)
    run(teacher, {"dense": DENSE}, checkpoints=counted, epochs=5, evaluate_every=20)
    assert pair[0]["saved"] == counted.saved and counted.saved[:2] == [3, 6] and len(counted.saved) < 20 / 2
    assert pair[1]["saved"] == []


def test_where_one_is_asked_to_end_all_do_and_the_main_one_saves_first(pair):
    assert [seen["asked"] for seen in pair] == [[3], []]


def test_each_process_draws_its_own_noise_in_every_part(pair):
    own, other = (seen["masks"] for seen in pair)
    assert len(own) == len(other) > 8
    drawn = [mask for masks in (own, other) for mask in masks if mask.any()]
    # a pass that counts, then the real one of the same part, which draws the same
    different = {tuple(mask.flatten().tolist()) for mask in drawn}
    assert len(different) == len(drawn) / 2
    assert not any(torch.equal(a, b) for a, b in zip(own, other, strict=True) if a.any())


def test_a_round_begun_with_one_process_ends_with_two(pair, alone):
    assert pair[0]["went on"] == list(range(BEGUN + 1, 9))
    for name, (trained, curve) in pair[0]["ended"].items():
        assert_close(trained, weights(alone[name]))
        assert [row["step"] for row in curve] == [row["step"] for row in alone[name].curve]
        assert curve[-1]["heldout_loss"] == pytest.approx(alone[name].curve[-1]["heldout_loss"], rel=1e-5)
        assert torch.equal(trained, pair[1]["ended"][name][0])


def test_a_round_begun_with_two_processes_ends_with_one(teacher, folder, pair, alone):
    ended = run(teacher, BOTH, checkpoints=Checkpoints(folder / "ends elsewhere", 0), **CALM)
    points = ended["dense"].points
    assert [step for step, values in points if "train_loss" in values] == list(range(BEGUN + 1, 9))
    for name, result in alone.items():
        assert_close(weights(ended[name]), weights(result))


@pytest.mark.parametrize("which", UNREACHED)
def test_weights_that_the_loss_does_not_reach_are_no_obstacle(teacher, pair, which):
    students, changes = UNREACHED[which]
    for name, result in run(teacher, students, **CALM | changes).items():
        assert_close(pair[0][which][name], weights(result))
