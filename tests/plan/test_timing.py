"""The trial runs the stages' own code and ends after a few steps; the command as a user types it."""

import json
import shutil
import subprocess
import sys

import pytest

from minimoe.params.rounds import Distill, Student
from minimoe.plan import timing, trial
from minimoe.plan.models import Models
from minimoe.plan.run import plan
from minimoe.plan.timing import Tried, measure
from minimoe.system.errors import UserError
from tests.plan.conftest import ROOT, profile

FEW = {"seed": 0, "corpus__records__max_length": 16, "distill__batch": 4, "distill__relation_heads": 6}


@pytest.fixture
def little_text(monkeypatch):
    monkeypatch.setattr(trial, "WORDS", 200)
    monkeypatch.setattr(trial, "DOCUMENTS", 12)
    monkeypatch.setattr(trial, "VOCABULARY", 1500)
    monkeypatch.setattr(timing, "FINETUNE_LENGTH", 8)
    monkeypatch.setattr(timing, "product_rate", lambda precision, device: 1e11)


def test_a_rate_is_of_what_was_done_more_and_never_above_the_limit():
    assert Tried(10, 1.0).rate(Tried(30, 2.0), limit=100) == 20
    assert Tried(10, 1.0).rate(Tried(30, 0.5), limit=100) == 100
    assert (Tried(10, 1.0).besides(20), Tried(10, 1.0).besides(5)) == (0.5, 0.0)


def test_the_clock_ends_a_training_after_its_steps():
    clock, done = trial.Clock(), []

    def training():
        clock.metrics({"heldout_loss": 1.0}, 0)
        for step in range(1, 100):
            done.append(step)
            clock.metrics({"train_loss": 1.0, "learning_rate": 1.0}, step)

    assert clock.seconds(training) >= 0
    assert len(done) == trial.STEPS


def test_widths_and_experts_are_the_models_own():
    experts = Models(profile(), ROOT, set()).config("models/base/minimoe-2L-72H")
    assert trial.student(experts, 1, 4) == Student(layers=1, hidden=72, heads=6, experts={"ffn": 4})
    settings = trial.few_steps(profile().distill, 96, 72)
    assert isinstance(settings, Distill) and settings.relation_heads == 6
    others = profile().distill.model_copy(update={"further_layers": [1], "relation_sequences": 4})
    assert trial.few_steps(others, 96, 72) == settings


@pytest.mark.slow
def test_a_trial_of_every_kind(little_text):
    made = measure(Models(profile(**FEW), ROOT, set()), "cpu", start=1.0)
    assert made.basis == "measured" and made.start == 1.0
    speeds = (made.teacher, made.dense, made.experts, made.finetune)
    assert all(0 < speed <= 1e11 for speed in speeds)
    assert made.format > 0 and made.records > 0 and made.learner >= 0 and made.step >= 0


def test_given_speeds_are_those_of_the_first_round(little_text):
    made, twice = (measure(Models(profile(**FEW), ROOT, set()), "cpu", 1.0, given) for given in (10, 20))
    assert made.basis == "given" and made.teacher == made.experts
    assert twice.dense == 2 * made.dense


@pytest.mark.parametrize(("given", "devices"), [(0, None), (-1, None), (None, 0)])
def test_nonsense_is_refused(given, devices):
    with pytest.raises(UserError, match="more than 0 sequences a second and at least 1 device"):
        plan(".", start=1.0, given=given, gpu=None, devices=devices, online=False, json=None)


@pytest.mark.parametrize(("gpu", "given"), [("h100", 10), ("rtx", None)])
def test_a_gpu_that_is_not_known_or_has_a_speed_besides_is_refused(gpu, given):
    with pytest.raises(UserError, match=f"or --gpu a100, h100, h200; got --gpu {gpu}"):
        plan(".", start=1.0, given=given, gpu=gpu, devices=8, online=False, json=None)


@pytest.mark.parametrize("name", [".", "data", "nowhere/plan.json", "dvc.yaml/plan.json"])
def test_a_folder_for_the_numbers_is_refused_before_all_else(monkeypatch, name):
    monkeypatch.chdir(ROOT)
    with pytest.raises(UserError, match="--json: expected the name of a file in a folder that is there, got"):
        plan(".", start=1.0, given=10, gpu=None, devices=None, online=False, json=name)


@pytest.mark.slow
def test_the_command(tmp_path):
    for name in ("dvc.yaml", "params.yaml"):
        shutil.copy(ROOT / name, tmp_path)
    (tmp_path / "data").mkdir()
    shutil.copytree(ROOT / "data/sample", tmp_path / "data/sample")
    subprocess.run([sys.executable, "-m", "dvc", "init", "--no-scm", "-q"], cwd=tmp_path, check=True)
    command = [sys.executable, "-m", "minimoe", "plan", "--sequences-per-second", "100", "--json", "plan.json"]
    shown = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert shown.returncode == 0, shown.stderr
    assert "distill@base" in shown.stdout and "as given for round base" in shown.stdout
    assert json.loads((tmp_path / "plan.json").read_text())["rates"]["basis"] == "given"
