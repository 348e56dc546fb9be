"""A round that was killed goes on, and ends with the bytes of one that was not."""

import os
import signal

import pytest
import torch
from tiny_rounds import DENSE, EXPERTS, Recorder, run, weights

from minimoe.distill.learner import Learner
from minimoe.params.rounds import OnceForAll, Student
from minimoe.resume.checkpoints import Checkpoints
from minimoe.system.errors import UserError

BOTH = {"experts": EXPERTS, "dense": DENSE}  # 2 epochs of 4 steps
FAMILY = {"students": {}, "once_for_all": OnceForAll(layers=[1, 2], hidden=[12, 24], heads=4)}
MINIDISC = {"students": {"sparse": Student(sparsity=90)}, "assistant": True}


class Killed(Exception):
    pass


class Kills(Recorder):
    """Dies where it is told of the `at`-th training loss, of all passes together."""

    seen = at = 0

    def metrics(self, values, step=0):
        super().metrics(values, step)
        if any(key.endswith("train_loss") for key in values):
            Kills.seen += 1
            if Kills.seen == Kills.at:
                raise Killed


class EveryThird(Checkpoints):
    """Due at steps 3 and 6."""

    calls = 0

    def part(self, name):
        return EveryThird(self.folder / name, self.minutes)

    def due(self):
        self.calls += 1
        return self.asked() or self.calls % 3 == 0


def killed(at, teacher, students, checkpoints, **changes):
    Kills.seen, Kills.at = 0, at
    with pytest.raises(Killed):
        run(teacher, students, checkpoints=checkpoints, tracker=Kills, **changes)


def assert_same(ours, expected):
    assert set(ours) == set(expected)
    for name, result in expected.items():
        assert torch.equal(weights(ours[name]), weights(result))
        assert ours[name].curve == result.curve
        assert ours[name].metrics() == result.metrics()


@pytest.mark.slow
@pytest.mark.parametrize("at", [2, 8, 9, 13])  # each step tells of two students
@pytest.mark.parametrize("kind", [Checkpoints, EveryThird])
def test_a_killed_round_ends_with_the_same_bytes(teacher, tmp_path, at, kind):
    killed(at, teacher, BOTH, kind(tmp_path, 0))
    assert_same(run(teacher, BOTH, checkpoints=kind(tmp_path, 0)), run(teacher, BOTH))


@pytest.mark.slow
def test_a_round_killed_again_and_again(teacher, tmp_path):
    for _ in range(3):
        killed(5, teacher, BOTH, Checkpoints(tmp_path, 0))
    assert_same(run(teacher, BOTH, checkpoints=Checkpoints(tmp_path, 0)), run(teacher, BOTH))


@pytest.mark.slow
@pytest.mark.parametrize("at", [3, 9])
def test_sentence_students(teacher, tmp_path, at):
    killed(at, teacher, BOTH, EveryThird(tmp_path, 0), objective="embedding")
    resumed = run(teacher, BOTH, checkpoints=EveryThird(tmp_path, 0), objective="embedding")
    assert_same(resumed, run(teacher, BOTH, objective="embedding"))


BEYOND = [  # the published form, one by one
    {"expert_learning_rate": 3.0, "schedule": "cosine"},
    {"router_z_loss": 0.1},
]


@pytest.mark.slow
@pytest.mark.parametrize("changes", BEYOND)
def test_what_goes_beyond_the_published_form(teacher, tmp_path, changes):
    killed(9, teacher, BOTH, EveryThird(tmp_path, 0), **changes)
    expected = run(teacher, BOTH, **changes)
    assert_same(run(teacher, BOTH, checkpoints=EveryThird(tmp_path, 0), **changes), expected)
    assert not torch.equal(weights(expected["experts"]), weights(run(teacher, BOTH)["experts"]))


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_half_precision_and_its_scaler(teacher, tmp_path, precision, monkeypatch):
    scaler = torch.amp.GradScaler  # whose scale grows at step 3, so that it is not the one it starts with
    monkeypatch.setattr(torch.amp, "GradScaler", lambda *a, **k: scaler(*a, init_scale=64.0, growth_interval=3, **k))
    killed(12, teacher, BOTH, EveryThird(tmp_path, 0), precision=precision)
    resumed = run(teacher, BOTH, checkpoints=EveryThird(tmp_path, 0), precision=precision)
    expected = run(teacher, BOTH, precision=precision)
    assert_same(resumed, expected)
    states = [[result.learner.scaler.state_dict() for result in made.values()] for made in (resumed, expected)]
    assert states[0] == states[1]
    assert precision == "bf16" or states[0][0]["scale"] == 256.0


@pytest.mark.slow
@pytest.mark.parametrize("at", [10, 25])  # 4 students a step
def test_once_for_all(teacher, tmp_path, at):
    killed(at, teacher, checkpoints=EveryThird(tmp_path, 0), **FAMILY)
    assert_same(run(teacher, checkpoints=EveryThird(tmp_path, 0), **FAMILY), run(teacher, **FAMILY))


@pytest.mark.slow
@pytest.mark.parametrize("at", [5, 20, 26, 29])  # 3 candidates a step, then one student
def test_an_assistant_is_chosen_once(sparsified, tmp_path, at):
    killed(at, sparsified, checkpoints=EveryThird(tmp_path, 0), **MINIDISC)
    resumed = run(sparsified, checkpoints=EveryThird(tmp_path, 0), **MINIDISC)
    assert_same(resumed, run(sparsified, **MINIDISC))
    trained = {key for _, values in resumed["assistant"].points for key in values}
    assert bool(trained) == (at < 24)


@pytest.mark.parametrize("micro_batch", [0, 3])
def test_tinybert_in_micro_batches(teacher, tmp_path, micro_batch):
    shape = {"student": Student(layers=2, hidden=24, heads=4)}
    chosen = {"objective": "tinybert", "micro_batch": micro_batch}
    killed(6, teacher, shape, Checkpoints(tmp_path, 0), **chosen)
    assert_same(run(teacher, shape, checkpoints=Checkpoints(tmp_path, 0), **chosen), run(teacher, shape, **chosen))


def test_what_was_done_is_not_done_again(teacher, tmp_path):
    killed(8, teacher, {"dense": DENSE}, EveryThird(tmp_path, 0))
    points = run(teacher, {"dense": DENSE}, checkpoints=EveryThird(tmp_path, 0))["dense"].points
    assert [step for step, values in points if "train_loss" in values] == [7, 8]
    assert run(teacher, {"dense": DENSE}, checkpoints=EveryThird(tmp_path, 0))["dense"].points == []


def test_a_damaged_checkpoint_gives_way_to_the_one_before(teacher, tmp_path, capsys):
    killed(6, teacher, {"dense": DENSE}, Checkpoints(tmp_path, 0))
    before, newest = sorted(tmp_path.rglob("*.safetensors"))
    content = bytearray(newest.read_bytes())
    content[len(content) // 2] ^= 1
    newest.write_bytes(content)
    resumed = run(teacher, {"dense": DENSE}, checkpoints=Checkpoints(tmp_path, 0))
    assert_same(resumed, run(teacher, {"dense": DENSE}))
    lines = [line for line in capsys.readouterr().err.splitlines() if str(tmp_path) in line]
    assert len(lines) == 2 and f"{newest}: damaged" in lines[0] and f"after step {int(before.stem[:12])} of" in lines[1]


@pytest.mark.parametrize("signal_", [signal.SIGTERM, signal.SIGINT])
def test_a_round_that_is_asked_to_end_saves_first(teacher, tmp_path, signal_):
    class Asks(Recorder):
        def metrics(self, values, step=0):
            super().metrics(values, step)
            if step == 5 and "train_loss" in values:
                os.kill(os.getpid(), signal_)

    with pytest.raises(KeyboardInterrupt):
        run(teacher, {"dense": DENSE}, checkpoints=Checkpoints(tmp_path, 60), tracker=Asks)
    assert [int(path.stem[:12]) for path in tmp_path.rglob("*.safetensors")] == [5]
    resumed = run(teacher, {"dense": DENSE}, checkpoints=Checkpoints(tmp_path, 60))
    assert_same(resumed, run(teacher, {"dense": DENSE}))


@pytest.mark.parametrize("log_every_step", [True, False])
def test_a_nan_loss_keeps_the_checkpoint_before(teacher, tmp_path, monkeypatch, log_every_step):
    loss = Learner.loss

    def broken(self, *args, exact=False):
        return loss(self, *args, exact=exact) * (torch.nan if self.step == 5 and not exact else 1)

    monkeypatch.setattr(Learner, "loss", broken)
    if not log_every_step:  # it is found all the same, when the curve gets its next point
        monkeypatch.setattr("minimoe.distill.loop.check_values", lambda values, *_: {})
    with pytest.raises(UserError, match=r"^student dense: the loss is nan at step 6 \(epoch 2, batch 2\); lower "):
        run(teacher, {"dense": DENSE}, checkpoints=Checkpoints(tmp_path, 0))
    assert max(int(path.stem[:12]) for path in tmp_path.rglob("*.safetensors")) == 5


def test_nan_weights_are_not_saved(teacher, tmp_path, monkeypatch):
    def broken(self):
        next(self.supernet.parameters()).data[0] = torch.nan
        return update(self)

    update = Learner.update
    monkeypatch.setattr(Learner, "update", lambda self: broken(self) if self.step == 2 else update(self))
    with pytest.raises(UserError, match=r"student dense: a weight is NaN or infinite at step 3 \(epoch 1, batch 3\)"):
        run(teacher, {"dense": DENSE}, checkpoints=Checkpoints(tmp_path, 0))
    assert max(int(path.stem[:12]) for path in tmp_path.rglob("*.safetensors")) == 2
