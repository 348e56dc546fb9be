"""What rounds and their students may say, beyond the types of single keys."""

import pytest
from pydantic import ValidationError
from tiny_rounds import settings

from minimoe.params.rounds import OnceForAll, Round, Student

TEACHER, SPARSIFIED = "models/teacher", "models/sparsified/teacher"
DENSE, SPARSE = {"layers": 2, "hidden": 24}, {"sparsity": 80}


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({}, "layers: missing; a student has layers and hidden, or sparsity"),
        ({"layers": 2}, "hidden: missing"),
        ({"layers": 2, "hidden": 25}, "hidden: expected a multiple of heads 12, got 25"),
        ({**DENSE, **SPARSE}, "hidden: not beside sparsity"),
        ({**SPARSE, "experts": {"ffn": 4}}, "experts: not beside sparsity"),
        ({"sparsity": 100}, "less than or equal to 99"),
        ({"sparsity": 0}, "greater than or equal to 1"),
    ],
)
def test_a_student_has_one_kind_of_shape(values, message):
    with pytest.raises(ValidationError, match=message):
        Student.model_validate(values)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"teacher": TEACHER}, "students: expected at least one entry, or once_for_all"),
        ({"teacher": TEACHER, "students": {"s": SPARSE}}, r"students\.s\.sparsity: expected teacher models/sparsified"),
        ({"teacher": TEACHER, "students": {"s": DENSE}, "assistant": "auto"}, "assistant: expected students with a"),
        ({"teacher": SPARSIFIED, "students": {"s": DENSE, "t": SPARSE}, "assistant": "auto"}, "assistant: expected"),
        (
            {"teacher": SPARSIFIED, "students": {"assistant": SPARSE}, "assistant": "auto"},
            "students.assistant: the round",
        ),
        (
            {"teacher": TEACHER, "students": {"1L-12H": DENSE}, "once_for_all": {"layers": [1], "hidden": [12]}},
            "students.1L-12H: the round makes a model of this name itself",
        ),
        ({"teacher": "models/../x", "students": {"s": DENSE}}, "pattern"),
    ],
)
def test_a_rounds_parts_agree(values, message):
    with pytest.raises(ValidationError, match=message):
        Round.model_validate(values)


def test_a_second_phase_has_the_first_ones_settings_but_those_it_changes():
    distill = settings(epochs=5, learning_rate=0.1)
    round_ = {"teacher": TEACHER, "students": {"s": DENSE}, "learning_rate": 0.2}
    (alone,) = Round.model_validate(round_).phases(distill)
    assert alone == distill.model_copy(update={"learning_rate": 0.2})
    first, second = Round.model_validate(round_ | {"then": {"objective": "embedding", "epochs": 1}}).phases(distill)
    assert first == alone and second == alone.model_copy(update={"objective": "embedding", "epochs": 1})


def test_a_round_names_all_that_it_makes():
    once = {"layers": [2, 1], "hidden": [24, 12]}
    round_ = Round.model_validate({"teacher": TEACHER, "students": {"dense": DENSE}, "once_for_all": once})
    assert round_.models == ["dense", "1L-12H", "1L-24H", "2L-12H", "2L-24H"]
    once_for_all = Student(layers=1, hidden=24)
    assert round_.shape("1L-24H") == once_for_all.model_dump(exclude_none=True) | {"once_for_all": True}
    assert round_.shape("dense")["hidden"] == 24
    chosen = Round.model_validate({"teacher": SPARSIFIED, "students": {"s": SPARSE}, "assistant": "auto"})
    assert chosen.models == ["s", "assistant"]
    assert chosen.shape("s")["sparsity"] == 80


@pytest.mark.parametrize(
    ("hidden", "heads", "message"),
    [
        ([25], 12, "the widest to be a multiple of heads 12"),
        ([24, 13], 12, "multiples of 2, the size of a head, got 13"),
    ],
)
def test_once_for_all_needs_whole_heads(hidden, heads, message):
    with pytest.raises(ValidationError, match=message):
        OnceForAll(layers=[1], hidden=hidden, heads=heads)


def test_once_for_all_students_have_heads_of_the_widest_size():
    students = OnceForAll(layers=[2], hidden=[24, 16, 48], heads=6).students
    assert {name: (student.heads, student.neurons) for name, student in students.items()} == {
        "2L-16H": (2, 64),
        "2L-24H": (3, 96),
        "2L-48H": (6, 192),
    }


def test_students_of_one_width_are_named_from_the_shallowest():
    assert OnceForAll(layers=[3, 1], hidden=[24, 12]).widths == [("1L-12H", "3L-12H"), ("1L-24H", "3L-24H")]


@pytest.mark.parametrize(("name", "count"), [("relation_weights", 3), ("tinybert_weights", 2)])
def test_some_weight_is_above_nothing(name, count):
    values = {"teacher": TEACHER, "students": {"s": DENSE}}
    Round.model_validate(values | {name: [0.0] * (count - 1) + [1.0]})
    for wrong in ([0.0] * count, [1.0] * (count + 1), [-1.0] + [1.0] * (count - 1)):
        with pytest.raises(ValidationError):
            Round.model_validate(values | {name: wrong})


def test_a_student_says_its_form_where_it_is_not_the_published_one():
    plain, fine = (Student.model_validate(DENSE | {"experts": {"ffn": 4} | own}) for own in ({}, {"active": 2}))
    both = Student.model_validate(DENSE | {"experts": {"ffn": 8, "active": 2, "shared": 32}})
    assert str(plain) == "2L-24H, experts 1,4"
    assert str(fine) == "2L-24H, experts 1,4, 2 active"
    assert str(both) == "2L-24H, experts 1,8, 2 active, 32 neurons shared"
    hashed = Student.model_validate(DENSE | {"experts": {"ffn": 4, "router": "hash"}})
    assert str(hashed) == "2L-24H, experts 1,4, by hash"
    assert both.dense == hashed.dense == plain.dense == Student.model_validate(DENSE)
