"""A second phase: students go on under other settings, as in a round that starts from their weights."""

from itertools import chain

import pytest
import torch
from distill.test_resume import EveryThird, assert_same, killed
from tiny_rounds import DENSE, EXPERTS, run, weights

from minimoe.distill.phase import Phase
from minimoe.distill.round import SECOND
from minimoe.distill.start import StudentFactory
from minimoe.params.rounds import OnceForAll, Student
from minimoe.system.errors import UserError
from minimoe.training.draws import mixed

MINILM, TINYBERT, EMBEDDING = ({"objective": name} for name in ("minilm", "tinybert", "embedding"))
SHORT = {"epochs": 1, "learning_rate": 3e-3, "dropout": 0.2}
SAME_HEADS = Student(layers=2, hidden=24, heads=4)
LIKE = Student.model_validate({"layers": 2, "hidden": 48, "heads": 4, "neurons": 96, "experts": {"ffn": 2}, "start": "teacher"})  # noqa: E501  # fmt: skip
BOTH = {"dense": DENSE, "experts": EXPERTS}
DRAWS = mixed(7, SECOND) % 2**32
ORDERS = [
    ({"dense": DENSE, "experts": EXPERTS}, MINILM, EMBEDDING),
    ({"dense": DENSE, "experts": EXPERTS}, MINILM, {"teacher_layer": 2, "relation_heads": 6}),
    ({"dense": DENSE, "experts": EXPERTS}, EMBEDDING, MINILM),
    ({"dense": SAME_HEADS}, TINYBERT, EMBEDDING),
    ({"like": LIKE}, EMBEDDING, MINILM | {"teacher_layer": 2}),
]


def by_hand(monkeypatch, first, *args, **changes):
    """A round of its own whose students start with the weights of `first`, by name."""
    made = StudentFactory.student

    def continued(self, name, shape):
        supernet, trained = made(self, name, shape), first[name].learner.supernet.whole
        supernet.whole.encoder.load_state_dict(trained.encoder.state_dict())
        for part in ("projection", "transform", "head"):
            own, other = getattr(supernet.whole, part), getattr(trained, part)
            if own is not None and other is not None:
                own.load_state_dict(other.state_dict())
        return supernet

    with monkeypatch.context() as patch:
        patch.setattr(StudentFactory, "student", continued)
        return run(*args, seed=DRAWS, **changes)


def assert_two_rounds(monkeypatch, teacher, students, one, other):
    together = run(teacher, students, then=SHORT | other, **one)
    first = run(teacher, students, **one)
    second = by_hand(monkeypatch, first, teacher, students, **one | SHORT | other)
    assert set(together) == set(students)
    for name, result in together.items():
        assert torch.equal(weights(result), weights(second[name]))
        assert result.curve == second[name].curve and len(result.curve) == 3
        assert result.first_curve == first[name].curve
        before = {key: value for key, value in first[name].metrics().items() if key != "sparsity"}
        assert result.metrics() == second[name].metrics() | {"first_phase": before}
        assert result.encoder.config.hidden_dropout_prob == 0.2
        points = [(step, {f"first_phase/{key}": value for key, value in values.items()}) for step, values in
                  first[name].points]  # fmt: skip
        assert result.points == points + second[name].points


@pytest.mark.slow
@pytest.mark.parametrize(("students", "one", "other"), ORDERS)
def test_two_phases_are_two_rounds(teacher, monkeypatch, students, one, other):
    assert_two_rounds(monkeypatch, teacher, students, one, other)


@pytest.mark.slow
@pytest.mark.parametrize(("one", "other"), [(MINILM, EMBEDDING), (EMBEDDING, MINILM)])
def test_of_sparse_students_too(sparsified, monkeypatch, one, other):
    assert_two_rounds(monkeypatch, sparsified, {"s": Student(sparsity=60)}, one, other)


def test_a_supernet_goes_on_whole(teacher):
    shapes = {"students": {}, "once_for_all": OnceForAll(layers=[1, 2], hidden=[12, 24], heads=4)}
    first, both = run(teacher, **shapes), run(teacher, then=SHORT | {"teacher_layer": 2}, **shapes)
    assert list(both) == list(first)
    for name, result in both.items():
        assert result.metrics()["first_phase"] == first[name].metrics()
        # what it explains of another layer is measured from what it had learned
        assert result.curve[0] != first[name].curve[0]
        assert result.metrics()["heldout_loss"] < result.metrics()["heldout_loss_initial"]


def test_the_second_phase_draws_anew(teacher, monkeypatch):
    """Other records in each step, other dropout, other new layers."""
    seeds, orders, made = [], [], Phase.__init__

    def noted(self, *args):
        made(self, *args)
        seeds.append((self.data.seed, self.factory.seed))
        orders.append([numbers.tolist() for numbers in self.data.numbers()])

    monkeypatch.setattr(Phase, "__init__", noted)
    run(teacher, {"dense": DENSE}, then={})  # the same settings, and yet
    assert seeds == [(7, 7), (DRAWS, DRAWS)]
    one, other = orders
    assert len(one) == len(other) and one != other and sorted(chain(*one[:4])) == sorted(chain(*other[:4]))


@pytest.mark.slow
def test_it_learns_more_than_where_it_began(teacher):
    long = {"epochs": 12, "learning_rate": 0.01}
    for result in run(teacher, BOTH, then=EMBEDDING, **long).values():
        assert result.metrics()["heldout_loss"] < 0.8 * result.metrics()["heldout_loss_initial"]


@pytest.mark.slow
@pytest.mark.parametrize("at", [3, 13, 16, 17, 19, 23])  # 2 students; 8 steps, then 4
@pytest.mark.parametrize(("one", "other"), [(MINILM, EMBEDDING), (EMBEDDING, MINILM)])
def test_a_round_killed_in_either_phase_goes_on(teacher, tmp_path, at, one, other, capsys):
    phases = one | {"then": SHORT | other}
    killed(at, teacher, BOTH, EveryThird(tmp_path, 0), **phases)
    capsys.readouterr()
    resumed = run(teacher, BOTH, checkpoints=EveryThird(tmp_path, 0), **phases)
    told = capsys.readouterr().err
    assert ("then: going on after step 3 of 4" in told) == (at == 23)
    assert ("students: going on after step 8 of 8" in told) == (at > 16)
    assert_same(resumed, run(teacher, BOTH, **phases))
    trained = {key for key in {key for _, values in resumed["dense"].points for key in values} if "train" in key}
    assert trained == ({"first_phase/train_loss", "train_loss"} if at <= 16 else {"train_loss"})


@pytest.mark.parametrize(
    ("then", "message"),
    [
        (MINILM | {"relation_heads": 5}, "relation_heads: expected a divisor of 48"),
        (MINILM | {"teacher_layer": 4}, "teacher_layer: expected last or 1 to 3"),
        (TINYBERT, "tinybert compares attention scores head by head"),
        ({"batch": 64}, "distill.batch: expected at most"),
    ],
)
def test_what_does_not_fit_is_told_before_anything_is_trained(teacher, monkeypatch, then, message):
    monkeypatch.setattr(Phase, "train", lambda *_, **__: pytest.fail("trained"))
    with pytest.raises(UserError, match=message):
        run(teacher, {"dense": DENSE}, then=then, **EMBEDDING)


def test_the_folder_is_the_last_objectives(teacher, tmp_path, monkeypatch):
    from minimoe.distill.round import write_students
    from minimoe.models.sentence import read_head

    monkeypatch.setattr(
        "minimoe.distill.round.load_tokenizer", lambda _: type("T", (), {"save_pretrained": lambda *_: None})()
    )
    for name, one, other in (("sentence", MINILM, EMBEDDING), ("plain", EMBEDDING, MINILM)):
        results = run(teacher, {"s": DENSE}, then=SHORT | other, **one)
        write_students(results, teacher, tmp_path / name)
        assert (tmp_path / name / "s/modules.json").exists() == (name == "sentence")
    student = results["s"].learner.supernet.whole
    assert student.head is None and student.projection is None
    assert len(read_head(tmp_path / "sentence/s", 24).dense) == 2  # to the teacher's width
