import math
import signal

import pytest
import torch
from transformers import AutoModel, AutoModelForMaskedLM, AutoTokenizer

from minimoe.records.masking import IGNORED, MaskedBatches
from minimoe.resume.checkpoints import Checkpoints
from minimoe.system.errors import UserError
from minimoe.teacher.pretrain import heldout_loss, masked_loss, pretrain
from minimoe.tracking import NoTracker


class Tracker(NoTracker):
    def __init__(self):
        self.losses, self.heldout = {}, {}

    def metrics(self, values, step=0):
        for name, kept in (("train_loss", self.losses), ("heldout_masked_lm_loss", self.heldout)):
            if name in values:
                kept[step] = values[name]


def run(records, tokenizer, out, **changes):
    settings = {
        "layers": 1,
        "hidden": 32,
        "heads": 4,
        "neurons": 64,
        "masked": 0.15,
        "epochs": 20,
        "batch": 16,
        "learning_rate": 5e-3,
        "seed": 1,
        "device": "cpu",
        "log_every": 10,
        "tracker": Tracker(),
    }
    return pretrain(records, tokenizer, out, **settings | changes)


def weights(folder):
    return AutoModelForMaskedLM.from_pretrained(folder).state_dict()


def test_it_learns_and_is_saved_as_a_plain_bert(tmp_path, records, tokenizer):
    tracker = Tracker()
    losses = run(records, tokenizer, tmp_path / "out", tracker=tracker)
    assert tracker.heldout == {80: losses.heldout}
    assert list(tracker.losses) == list(range(10, 81, 10))
    assert tracker.losses[10] < math.log(40) * 1.2
    assert tracker.losses[80] < 0.8 * tracker.losses[10]
    model, info = AutoModelForMaskedLM.from_pretrained(tmp_path / "out", output_loading_info=True)
    assert not info["missing_keys"]
    assert model.config.vocab_size == len(AutoTokenizer.from_pretrained(tmp_path / "out")) == 40
    assert model.config.hidden_dropout_prob == 0.1
    assert AutoModel.from_pretrained(tmp_path / "out").config.architectures == ["BertForMaskedLM"]


def test_the_share_of_masked_tokens_is_for_training_alone(tmp_path, records, tokenizer, monkeypatch):
    from minimoe.teacher import pretrain as module

    hidden, measured = [], []
    for name, seen in (("masked_loss", hidden), ("heldout_loss", measured)):
        whole = getattr(module, name)

        def watched(model, batch, *rest, whole=whole, seen=seen):
            masked = batch if isinstance(batch, dict) else batch.batch(batch.records.heldout, 0)
            seen.append(((masked["labels"] != IGNORED).sum() / (masked["input_ids"] > 4).sum()).item())
            return whole(model, batch, *rest)

        monkeypatch.setattr(module, name, watched)
    run(records, tokenizer, tmp_path / "out", masked=0.5, epochs=1)
    assert min(hidden) > 0.4 and measured[0] < 0.3


def test_the_seed_decides(tmp_path, records, tokenizer):
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        torch.manual_seed(len(name))
        run(records, tokenizer, tmp_path / name, epochs=2, seed=seed)
    first, second, other = (weights(tmp_path / name) for name in "abc")
    assert all(torch.equal(first[key], second[key]) for key in first)
    assert not all(torch.equal(first[key], other[key]) for key in first)


@pytest.mark.slow
@pytest.mark.parametrize("at", [1, 2, 4, 5, 9])  # 4 steps an epoch
def test_a_killed_run_ends_with_the_same_bytes(tmp_path, records, tokenizer, at):
    class Killed(Exception):
        pass

    class Kills(Tracker):
        def metrics(self, values, step=0):
            super().metrics(values, step)
            if step == at:
                raise Killed

    whole, rest = Tracker(), Tracker()
    expected = run(records, tokenizer, tmp_path / "whole", epochs=3, log_every=1, tracker=whole)
    made = {"epochs": 3, "log_every": 1, "checkpoints": Checkpoints(tmp_path / "work", 0)}
    with pytest.raises(Killed):
        run(records, tokenizer, tmp_path / "out", tracker=Kills(), **made)
    assert run(records, tokenizer, tmp_path / "out", tracker=rest, **made) == expected
    whole_file, file = (tmp_path / name / "model.safetensors" for name in ("whole", "out"))
    assert file.read_bytes() == whole_file.read_bytes()
    assert rest.losses == {step: loss for step, loss in whole.losses.items() if step >= at}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_run_asked_to_end_saves_first(tmp_path, records, tokenizer, number):
    class Asked(Tracker):
        def metrics(self, values, step=0):
            super().metrics(values, step)
            if step == 5:
                signal.raise_signal(number)

    rest, expected = Tracker(), run(records, tokenizer, tmp_path / "whole", epochs=2)
    made = {"epochs": 2, "log_every": 1, "checkpoints": Checkpoints(tmp_path / "work")}  # none is due
    with pytest.raises(KeyboardInterrupt):
        run(records, tokenizer, tmp_path / "out", tracker=Asked(), **made)
    assert not (tmp_path / "out").exists()
    assert run(records, tokenizer, tmp_path / "out", tracker=rest, **made) == expected
    assert list(rest.losses) == [6, 7, 8]


def test_a_run_that_ended_before_it_was_saved_trains_no_step_again(tmp_path, records, tokenizer):
    class Killed(Exception):
        pass

    class Kills(Tracker):
        def metrics(self, values, step=0):
            super().metrics(values, step)
            if self.heldout:
                raise Killed

    rest, made = Tracker(), {"epochs": 1, "log_every": 1, "checkpoints": Checkpoints(tmp_path / "work")}
    with pytest.raises(Killed):
        run(records, tokenizer, tmp_path / "out", tracker=Kills(), **made)
    losses = run(records, tokenizer, tmp_path / "out", tracker=rest, **made)
    assert (rest.losses, rest.heldout) == ({}, {4: losses.heldout})


def test_logits_at_masked_positions_give_the_models_own_loss(tmp_path, records, tokenizer):
    run(records, tokenizer, tmp_path / "out", epochs=1)
    model = AutoModelForMaskedLM.from_pretrained(tmp_path / "out").eval()
    batch = records.batch(range(8))
    batch["labels"] = batch["input_ids"].masked_fill(torch.arange(20) % 3 != 0, -100)
    expected = model(**batch).loss
    torch.testing.assert_close(masked_loss(model, batch), expected)


def test_the_heldout_loss_is_the_mean_over_masked_tokens_of_heldout_records(tmp_path, records, tokenizer):
    read = []

    class Watched(type(records)):
        def batch(self, indices):
            read.append(list(indices))
            return super().batch(indices)

    run(records, tokenizer, tmp_path / "out", epochs=1)
    model, tokens = AutoModelForMaskedLM.from_pretrained(tmp_path / "out"), AutoTokenizer.from_pretrained(tokenizer)
    masked = MaskedBatches(Watched(), tokens, 1)
    parts = [heldout_loss(model, masked, batch) for batch in (3, 3, 8)]
    assert read[:3] == [[64, 65, 66], [67, 68, 69], [70, 71]]  # the last batch is smaller, and its tokens count as much
    sums = []
    for number, rows in enumerate(read[:3]):
        batch = masked.batch(rows, number)
        count = int((batch["labels"] != -100).sum())
        sums.append((float(model(**batch).loss.detach()) * count, count))
    assert parts[0] == pytest.approx(sum(loss for loss, _ in sums) / sum(count for _, count in sums), rel=1e-5)
    assert parts[0] == parts[1] != parts[2]  # masks follow a batch's number


def test_divergence_is_one_line_and_leaves_nothing(tmp_path, records, tokenizer):
    class Broken(type(records)):
        def batch(self, indices):
            ends_only = [0, 19]
            return {key: value[:, ends_only] for key, value in super().batch(indices).items()}

    with pytest.raises(UserError, match="teacher: the training loss became nan"):
        run(Broken(), tokenizer, tmp_path / "out")
    assert not (tmp_path / "out").exists()
