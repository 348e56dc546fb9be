"""What a row is, read from params: kinds, teachers, and what two students differ in."""

from dataclasses import replace

import pytest

from minimoe.params.rounds import Round
from minimoe.report.models import KINDS, describe, differences
from minimoe.report.questions import QUESTIONS
from minimoe.report.seeds import seed_groups


@pytest.mark.slow
def test_kinds(every):
    kinds = {name: model.kind for name, model in every.collect().models.items()}
    assert kinds == {
        "teacher": "Teacher",
        "teachers/large": "Teacher",
        "base/minilm": "MiniLM",
        "base/minimoe": "MiniMoE",
        "base/assistant": "MiniLM",
        "assisted/minilm-ta": "MiniLM with assistant",
        "control/scratch": "No distillation",
        "large/minilm": "MiniLM",
        "large/minimoe": "MiniMoE",
        "experts/minimoe-1x2": "MiniMoE",
        "experts/minimoe-4x1": "MiniMoE",
        "experts/minimoe-4x4": "MiniMoE",
        "moe-assisted/minimoe-ta": "MiniMoE with assistant",
        "unbalanced/minimoe": "MiniMoE",
        "published/minilm": "MiniLM",
        "tinybert/tinybert": "TinyBERT",
        "sentence/sentence": "Sentence encoder",
        "relations-first/sentence": "Sentence encoder",
        "sparse/sparse-90": "Sparse MiniLM",
        "disc/sparse-90": "Sparse MiniLM with assistant",
        "disc/assistant": "Sparse MiniLM",
        "ofa/alone": "MiniLM",
        "ofa/1L-48H": "Once-for-all",
        "ofa/1L-96H": "Once-for-all",
        "ofa/2L-48H": "Once-for-all",
        "ofa/2L-96H": "Once-for-all",
    }
    assert set(kinds.values()) <= set(KINDS)


@pytest.mark.slow
@pytest.mark.parametrize("objective", ["minilm", "tinybert", "embedding"])
def test_the_default_objective_counts(every, objective):
    every.distill = every.distill.model_copy(update={"objective": objective})
    kind = every.collect(models=["base/minilm"]).models["base/minilm"].kind
    assert kind == {"minilm": "MiniLM", "tinybert": "TinyBERT", "embedding": "Sentence encoder"}[objective]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "taught_by", "origin"),
    [
        ("base/minilm", "teacher", "teacher"),
        ("large/minilm", "teachers/large", "teachers/large"),
        ("assisted/minilm-ta", "base/assistant", "teacher"),
        ("sparse/sparse-90", "teacher", "teacher"),  # the sparsified teacher's folder holds the stock teacher
        ("disc/assistant", "teacher", "teacher"),
        ("disc/sparse-90", "disc/assistant", "teacher"),
    ],
)
def test_teachers(every, name, taught_by, origin):
    model = every.collect(models=[name]).models[name]
    assert (model.taught_by, model.origin) == (taught_by, origin)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("base/minilm", "2L-96H"),
        ("experts/minimoe-4x1", "2L-96H, experts 4,1"),
        ("sparse/sparse-90", "90 % sparse"),
        ("disc/assistant", "70 % sparse"),  # which only the metrics know
        ("ofa/1L-48H", "1L-48H"),
    ],
)
def test_shapes_in_words(every, name, shape):
    assert str(every.collect(models=[name]).models[name].shape) == shape


@pytest.mark.slow
def test_a_member_of_once_for_all_has_the_head_size_of_the_widest(every):
    models = every.collect().models
    shape = models["ofa/2L-48H"].shape
    assert (shape.heads, shape.neurons) == (6, 192)
    assert shape == models["ofa/alone"].shape


@pytest.mark.slow
@pytest.mark.parametrize(
    ("first", "second", "found"),
    [
        ("base/minimoe", "base/minilm", {"experts"}),
        ("unbalanced/minimoe", "base/minilm", {"experts"}),  # a dense student has no load to balance
        ("unbalanced/minimoe", "base/minimoe", {"load_balance"}),
        ("published/minilm", "base/minilm", {"relation_dropout", "log_epsilon"}),
        ("tinybert/tinybert", "base/minilm", {"objective"}),
        ("tinybert/tinybert", "published/minilm", {"objective", "relation_dropout", "log_epsilon"}),
        ("disc/sparse-90", "sparse/sparse-90", {"taught_by"}),
        ("disc/assistant", "sparse/sparse-90", {"size"}),
        ("ofa/2L-48H", "ofa/alone", {"once_for_all"}),
        ("ofa/2L-96H", "base/minilm", {"once_for_all"}),
        ("large/minilm", "base/minimoe", {"taught_by", "experts"}),
        ("base/assistant", "base/minilm", {"size"}),
        ("relations-first/sentence", "base/minilm", {"then"}),
        ("relations-first/sentence", "sentence/sentence", {"then", "objective"}),
    ],
)
def test_differences(every, first, second, found):
    models = every.collect().models
    assert differences(models[first], models[second]) == differences(models[second], models[first]) == found


DENSE = {"layers": 2, "hidden": 96}
SPARSE = {"teacher": "models/sparsified/teacher", "students": {"s": {"sparsity": 80}}}


@pytest.mark.parametrize(
    ("first", "second", "found"),
    [
        ({}, {}, set()),
        ({"load_balance": 0.0}, {}, {"load_balance"}),  # in both phases, as the second one changes nothing of it
        ({}, {"then": {"epochs": 2}}, {"then.epochs"}),
        ({"then": {"load_balance": 0.1}}, {"load_balance": 0.1}, {"load_balance"}),
        ({"then": {"load_balance": 0.1}}, {}, {"then.load_balance"}),
        ({}, {"then": {"objective": "embedding"}}, {"then.objective"}),
        ({"embedding_distance": "l2"}, {}, set()),
        ({}, {"then": {"evaluate_every": 3}}, set()),
        ({}, {"then": {"teacher_layer": 1}}, {"then.teacher_layer"}),
        ({"teacher": "models/teachers/large"}, {"then": {"teacher_layer": 1}}, {"taught_by"}),
        ({"teacher": "models/teachers/large", "further_layers": [1]}, {"further_layers": [2]}, {"taught_by"}),
        ({"teacher": "models/teachers/large", "further_layers": [1]}, {}, {"taught_by", "further_layers"}),
        ({"further_layers": [1]}, {"further_layers": [2]}, {"further_layers"}),
        ({"relation_sequences": 2}, {}, {"relation_sequences"}),
        ({"extra_projection": "always"}, {}, set()),  # experts have it anyway
        ({"extra_projection": "always", "students": {"s": DENSE}}, {"students": {"s": DENSE}}, {"extra_projection"}),
        ({"extra_projection": "always", "students": {"s": DENSE}}, {}, {"experts"}),
        (SPARSE | {"extra_projection": "always"}, SPARSE, set()),
    ],
)
def test_what_second_phases_differ_in(every, first, second, found):
    base = {"teacher": "models/teacher", "students": {"s": {"layers": 2, "hidden": 96, "experts": {"ffn": 4}}}}
    rounds = {
        name: Round.model_validate(base | own | {"then": {"epochs": 1} | own.get("then", {})})
        for name, own in (("one", first), ("other", second))
    }
    metrics = {"steps": 3, "heldout_loss": 0.1}
    one, other = (describe(f"{name}/s", rounds, every.distill, metrics, 1) for name in rounds)
    assert differences(one, other) == differences(other, one) == found


@pytest.mark.parametrize(
    ("first", "second", "found", "question"),
    [
        ({"ffn": 4, "active": 2}, {"ffn": 4}, {"form"}, True),
        ({"ffn": 8, "active": 2}, {"ffn": 4}, {"form", "experts"}, True),
        ({"ffn": 4, "shared": 8}, {"ffn": 4}, {"form"}, True),
        ({"ffn": 4, "shared": 8}, {"ffn": 4, "active": 2}, {"form"}, False),  # neither is published
        ({"attention": 2, "ffn": 4, "shared": 8}, {"ffn": 4}, {"form", "experts"}, False),
        ({"ffn": 4, "active": 2, "shared": 8}, {}, {"experts"}, False),  # a dense student has no form
        ({"ffn": 4, "active": 2, "shared": 8}, {"attention": 2}, {"experts"}, False),
        ({"ffn": 4, "router": "hash"}, {"ffn": 4}, {"form"}, False),
        ({"attention": 4, "router": "hash"}, {"attention": 2}, {"form", "experts"}, False),
        ({"ffn": 4, "shared": 8, "router": "hash"}, {"ffn": 4}, {"form"}, False),
        ({"ffn": 4, "shared": 8, "router": "hash"}, {"ffn": 4, "router": "hash"}, {"form"}, False),
        ({"ffn": 4, "router": "hash"}, {}, {"experts"}, False),
    ],
)
def test_the_form_of_experts_is_a_difference_and_a_question(every, first, second, found, question):
    shape = {"layers": 2, "hidden": 96}
    round_ = Round.model_validate(
        {
            "teacher": "models/teacher",
            "students": {"one": shape | {"experts": first}, "other": shape | {"experts": second}},
        }
    )
    metrics = {"steps": 3, "heldout_loss": 0.1}
    one, other = (describe(f"r/{name}", {"r": round_}, every.distill, metrics, 1) for name in round_.students)
    assert differences(one, other) == differences(other, one) == found
    asked = {own.name for own in QUESTIONS if own.fits(one, other, found)}
    assert ("shared neurons or finer experts, or the published form" in asked) == question
    assert ("experts or dense" in asked) == (second == {})
    alone = first == second | {"router": "hash"}
    assert ("experts by hash or by a router" in asked) == alone
    assert len(seed_groups([one, other])) == 2


@pytest.mark.parametrize(("router", "found"), [("learned", {"load_balance"}), ("hash", set())])
def test_what_routers_learn_by_is_no_difference_where_there_are_none(every, router, found):
    students = {"s": {"layers": 2, "hidden": 96, "experts": {"ffn": 4, "router": router}}}
    rounds = {
        name: Round.model_validate({"teacher": "models/teacher", "students": students, "load_balance": weight})
        for name, weight in (("one", 0.0), ("other", 0.1))
    }
    one, other = (describe(f"{name}/s", rounds, every.distill, {"steps": 3, "heldout_loss": 0.1}, 1) for name in rounds)
    assert differences(one, other) == found


@pytest.mark.slow
def test_a_start_from_the_teacher_is_a_difference_and_a_question(every):
    models = every.collect().models
    student, other = models["base/minilm"], models["base/minimoe"]
    begun = replace(student, shape=student.shape.model_copy(update={"start": "teacher"}))
    assert differences(begun, student) == {"start"} and differences(begun, other) == {"start", "experts"}
    assert str(begun.shape) == "2L-96H, from its teacher" and begun.shape.size == student.shape
    asked = [question.name for question in QUESTIONS if question.fits(begun, student, {"start"})]
    assert asked == ["from the teacher's layers or random"]
    assert not any(question.fits(student, begun, {"start"}) for question in QUESTIONS)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        ("base/minilm", "unbalanced/minimoe", True),
        ("base/minilm", "published/minilm", True),  # the held-out loss is always the exact one
        ("base/minilm", "sparse/sparse-90", True),
        ("base/minilm", "assisted/minilm-ta", False),
        ("base/minilm", "large/minilm", False),
        ("base/minilm", "tinybert/tinybert", False),
        ("disc/assistant", "disc/sparse-90", False),
        ("relations-first/sentence", "sentence/sentence", True),
        ("relations-first/sentence", "base/minilm", False),
    ],
)
def test_which_heldout_losses_measure_the_same(every, first, second, same):
    models = every.collect().models
    assert (models[first].yardstick == models[second].yardstick) is same
