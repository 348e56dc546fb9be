import os
import shutil
import signal
import sys
from pathlib import Path

import pytest
import torch
from accelerate import Accelerator
from safetensors.torch import load_file
from sparsify import pair
from sparsify.sparse import KINDS, teacher
from transformers import AutoTokenizer

import stages.sparsify
from minimoe.records.dataset import Records
from minimoe.records.masking import MaskedBatches
from minimoe.resume.checkpoints import Checkpoints, NoCheckpoints
from minimoe.sparsify.head import own_weights, train_head
from minimoe.sparsify.importance import load_masked_lm, masked_lm_loss
from minimoe.sparsify.make import sparsify
from minimoe.system.errors import UserError
from minimoe.tracking import NoTracker


class Losses(NoTracker):
    """Keeps the losses of the head and of measuring, and calls `then` after one."""

    def __init__(self, then=lambda name, step: None):
        self.then, self.values = then, {"head_loss": [], "masked_lm_loss": []}

    def metrics(self, values, step=0):
        ((name, value),) = values.items()
        self.values[name].append(value)
        self.then(name, step)


def run(made, out, **changes):
    settings = pair.SETTINGS | {"tracker": NoTracker()} | changes
    return sparsify(made / "models/teacher", Records(made / "data/records"), out, **settings)


def train(made, model, steps, tracker=None):
    records = Records(made / "data/records")
    masked = MaskedBatches(records, AutoTokenizer.from_pretrained(made / "models/teacher"), 1)
    settings = {"rows": range(len(records.training)), "batch": 8, "steps": steps, "first": 1000}
    processes = {
        "tracker": tracker or NoTracker(),
        "checkpoints": NoCheckpoints(),
        "accelerator": Accelerator(cpu=True),
    }
    return train_head(model, masked, **settings, **processes)


@pytest.mark.parametrize("kind", KINDS)
def test_the_head_has_weights_of_its_own_and_the_word_embeddings(kind):
    model, of_bert = teacher(kind), kind == "bert"
    dense, norm = (
        ("predictions.transform.dense", "predictions.transform.LayerNorm") if of_bert else ("dense", "layer_norm")
    )
    bias = "predictions.bias" if of_bert else "bias"
    expected = {bias, *(f"{name}.{part}" for name in (dense, norm) for part in ("weight", "bias"))}
    assert own_weights(model).keys() == expected


def test_only_the_head_learns(headless):
    model, _ = load_masked_lm(headless / "models/teacher", seed=1)
    before = {name: weight.clone() for name, weight in model.state_dict().items()}
    tracker = Losses()
    loss = train(headless, model, 200, tracker)
    losses = tracker.values["head_loss"]
    assert len(losses) == 200 and loss == pytest.approx(sum(losses[-50:]) / 50)
    assert loss < 0.9 * losses[0]
    changed = {name for name, weight in model.state_dict().items() if not torch.equal(weight, before[name])}
    assert changed == {f"cls.{name}" for name in own_weights(model)} | {"cls.predictions.decoder.bias"}
    assert not model.training and all(weight.grad is None for weight in model.base_model.parameters())


def test_a_step_follows_the_gradient_of_the_masked_language_modeling_loss(headless):
    """Of the first step AdamW takes the sign of the gradient alone; the rate is half the highest after one of one."""
    model, _ = load_masked_lm(headless / "models/teacher", seed=1)
    whole, _ = load_masked_lm(headless / "models/teacher", seed=1)
    seen = []

    class Sees(MaskedBatches):
        def batch(self, rows, number):
            seen.append(super().batch(rows, number))
            return seen[-1]

    records = Records(headless / "data/records")
    masked = Sees(records, AutoTokenizer.from_pretrained(headless / "models/teacher"), 1)
    processes = {"tracker": NoTracker(), "checkpoints": NoCheckpoints(), "accelerator": Accelerator(cpu=True)}
    train_head(model, masked, range(8), batch=8, steps=1, first=0, **processes)
    masked_lm_loss(whole, **seen[0]).backward()
    for name, weight in own_weights(whole).items():
        step = own_weights(model)[name] - weight
        large = weight.grad.abs() > 1e-6
        torch.testing.assert_close(step[large], -5e-4 * weight.grad[large].sign(), rtol=0.02, atol=1e-6)


def test_a_sentence_encoder_is_sparsified(headless, tmp_path):
    tracker = Losses()
    measured = run(headless, tmp_path / "out", tracker=tracker)
    assert measured.records == round(0.5 * len(Records(headless / "data/records").training))
    assert measured.head_loss == pytest.approx(sum(tracker.values["head_loss"]) / 20)
    assert len(tracker.values["masked_lm_loss"]) == -(-measured.records // 8)
    assert not any("cls" in name for name in load_file(tmp_path / "out/model.safetensors"))  # the head is not kept


def test_a_teacher_with_a_head_keeps_its_own(made, tmp_path):
    tracker = Losses()
    assert run(made, tmp_path / "out", tracker=tracker).head_loss is None
    assert not tracker.values["head_loss"]


def test_masks_of_the_head_are_not_those_of_measuring(headless, tmp_path, monkeypatch):
    numbers = []
    batch = MaskedBatches.batch

    def count(self, rows, number):
        numbers.append(number)
        return batch(self, rows, number)

    monkeypatch.setattr(MaskedBatches, "batch", count)
    run(headless, tmp_path / "out")
    assert len(numbers) == len(set(numbers))


@pytest.mark.parametrize("at", [("head_loss", 7), ("masked_lm_loss", 2)])
def test_a_killed_run_ends_with_the_same_bytes(headless, tmp_path, at):
    class Killed(Exception):
        pass

    def kill(*now):
        if now == at:
            raise Killed

    whole, rest, checkpoints = Losses(), Losses(), Checkpoints(tmp_path / "work", 0)
    loss = run(headless, tmp_path / "whole", tracker=whole).head_loss
    with pytest.raises(Killed):
        run(headless, tmp_path / "out", tracker=Losses(kill), checkpoints=checkpoints)
    torch.manual_seed(5)
    assert run(headless, tmp_path / "out", tracker=rest, checkpoints=checkpoints).head_loss == loss
    files = [load_file(tmp_path / name / "importance.safetensors") for name in ("whole", "out")]
    assert all(torch.equal(files[0][name], files[1][name]) for name in files[0])
    again = at[0] == "head_loss"  # what was measured tells that the head was trained
    assert rest.values["head_loss"] == (whole.values["head_loss"] if again else [])
    assert rest.values["masked_lm_loss"] == whole.values["masked_lm_loss"][0 if again else at[1] - 1 :]


def test_asked_to_end_the_head_ends(headless, tmp_path):
    tracker = Losses(lambda *now: now == ("head_loss", 3) and os.kill(os.getpid(), signal.SIGTERM))
    with pytest.raises(KeyboardInterrupt):
        run(headless, tmp_path / "out", tracker=tracker, checkpoints=Checkpoints(tmp_path / "work", 60))
    assert len(tracker.values["head_loss"]) == 3 and not (tmp_path / "out").exists()


def test_a_loss_that_is_no_number_is_one_line(headless, tmp_path):
    shutil.copytree(headless, tmp_path / "run")
    model = teacher().bert
    model.encoder.layer[1].output.dense.weight.data[0, 0] = float("nan")
    model.save_pretrained(tmp_path / "run/models/teacher")
    with pytest.raises(UserError, match="sparsify: the loss of the masked language modeling head became nan at step 1"):
        run(tmp_path / "run", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_stage_says_so(prepared, headless, monkeypatch, capsys):
    prepared(headless)
    monkeypatch.setattr(sys, "argv", ["sparsify", "teacher"])
    stages.sparsify.main()
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith(
        "sparsify: models/teacher has no masked language modeling head; one was trained on its frozen"
    )
    assert second.startswith("sparsify: importances of models/teacher from ") and Path("models/sparsified").is_dir()
