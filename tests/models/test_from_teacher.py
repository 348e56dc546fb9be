"""Students that start from layers of their teacher."""

import backbones
import pytest
import torch

from minimoe.models.from_teacher import evenly_spaced, student_from
from minimoe.models.kinds import KINDS
from minimoe.models.shapes import student_config
from minimoe.params.rounds import Student
from minimoe.system.errors import UserError

VOCABULARY = 50
SIZES = {"layers": 3, "hidden": 24, "heads": 4, "neurons": 48}
STARTING = ["bert", "camembert", "electra", "ernie", "roberta", "xlm-roberta"]


def made(kind, layers, changes=None, **more):
    teacher = backbones.make_model(kind, VOCABULARY, **(changes or {}))
    generator = torch.Generator().manual_seed(0)
    for name, weight in teacher.named_parameters():
        if name.endswith("bias"):  # they begin as zeros, which may be lost or counted twice unseen
            weight.data += 0.1 * torch.randn(weight.shape, generator=generator)
    shape = Student(**SIZES | {"layers": len(layers)} | more)
    return teacher, student_from(teacher, student_config(shape, teacher.config, 0.0), layers, seed=0).eval()


@pytest.fixture
def batch():
    ids = torch.randint(5, VOCABULARY, (4, 12), generator=torch.Generator().manual_seed(0))
    mask = torch.arange(12) < torch.tensor([12, 9, 5, 2])[:, None]
    return {"input_ids": ids.where(mask, 1), "attention_mask": mask.long()}


def states(model, batch):
    with torch.no_grad():
        return model(**batch).last_hidden_state[batch["attention_mask"].bool()]


def test_kinds():
    assert {name for name, kind in KINDS.items() if kind.starts} == {*STARTING, "minimoe"}


@pytest.mark.parametrize("act", ["gelu", "relu"])
@pytest.mark.parametrize("kind", STARTING)
def test_a_student_of_all_layers_computes_what_its_teacher_does(kind, act, batch):
    teacher, student = made(kind, [1, 2, 3], {"hidden_act": act})
    torch.testing.assert_close(states(student, batch), states(teacher, batch))


def test_layers_are_those_that_are_named(batch):
    teacher, student = made("bert", [3, 1])
    weights = teacher.state_dict()
    for layer, number in enumerate((2, 0)):
        for name, weight in student.encoder.layer[layer].state_dict().items():
            assert torch.equal(weight, weights[f"encoder.layer.{number}.{name}"])


@pytest.mark.parametrize(
    "experts", [{"ffn": 3}, {"attention": 2}, {"attention": 2, "ffn": 4}, {"ffn": 4, "shared": 16}]
)
def test_experts_compute_what_the_teacher_does_while_routers_prefer_none(experts, batch):
    teacher, student = made("bert", [1, 2, 3], experts=experts)
    for name, weight in student.named_parameters():
        if "_gate" in name:
            torch.nn.init.zeros_(weight)
    torch.testing.assert_close(states(student, batch), states(teacher, batch), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("experts", [{"ffn": 3}, {"attention": 2, "ffn": 4}, {"ffn": 4, "shared": 16}])
def test_experts_chosen_by_hash_compute_what_the_teacher_does(experts, batch):
    teacher, student = made("bert", [1, 2, 3], experts=experts | {"router": "hash"})
    torch.testing.assert_close(states(student, batch), states(teacher, batch), atol=1e-4, rtol=1e-4)


def test_experts_are_equal_and_routers_are_random():
    _, student = made("bert", [1, 3], experts={"ffn": 4})
    _, other = made("bert", [1, 3], experts={"ffn": 4})
    layer = student.encoder.layer[0]
    for weight in (layer.intermediate.dense.weight, layer.output.dense.bias):
        assert weight.shape[0] == 4 and all(torch.equal(weight[0], expert) for expert in weight)
    assert layer.ffn_gate.weight.std() > 0
    assert torch.equal(layer.ffn_gate.weight, other.encoder.layer[0].ffn_gate.weight)
    layer.output.dense.weight.data[0] += 1  # copies do not share their memory
    assert not torch.equal(layer.output.dense.weight[0], layer.output.dense.weight[1])


@pytest.mark.parametrize("kind", sorted(set(backbones.CONFIGS) - {*STARTING, "bert-24-layers", "electra-narrow"}))
def test_other_kinds_cannot_start_a_student(kind):
    with pytest.raises(UserError, match=rf"start: expected a teacher of a kind with BERT's layers: .*; got {kind!r}"):
        made(kind, [1])


def test_a_student_cannot_start_a_student_with_other_layers():
    _, teacher = made("bert", [1, 2], experts={"ffn": 2})
    with pytest.raises(UserError, match=r"start: expected a teacher of a kind with BERT's layers: .*; got 'minimoe'"):
        student_from(teacher, student_config(Student(**SIZES), teacher.config, 0.0), [1, 2, 2], seed=0)


@pytest.mark.parametrize(
    ("kind", "more", "message"),
    [
        ("bert", {"hidden": 12}, "start: expected the teacher's hidden 24; got 12"),
        ("bert", {"heads": 6}, "start: expected the teacher's heads 4; got 6"),
        ("bert", {"neurons": 96}, "start: expected the teacher's neurons 48; got 96"),
        ("electra-narrow", {}, "start: expected a teacher with embeddings as wide as its layers, 24; got 16"),
    ],
)
def test_other_sizes_are_one_line(kind, more, message):
    with pytest.raises(UserError, match=message):
        made(kind, [1], **more)


def test_experts_too_narrow_for_a_copy_are_one_line():
    teacher = backbones.make_model("bert", VOCABULARY)
    shape = student_config(Student(**SIZES, experts={"ffn": 4, "active": 2}), teacher.config, 0.0)
    with pytest.raises(UserError, match="start: expected random where a token goes to 2 experts"):
        student_from(teacher, shape, [1, 2, 3], seed=0)


def test_a_layer_that_the_teacher_has_not():
    with pytest.raises(UserError, match=r"start: expected numbers of the teacher's 3 layers; got \[2, 4\]"):
        made("bert", [2, 4])


@pytest.mark.parametrize(
    ("layers", "last", "numbers"),
    [(3, 12, [4, 8, 12]), (4, 12, [3, 6, 9, 12]), (2, 3, [2, 3]), (5, 12, [2, 5, 7, 10, 12]), (3, 3, [1, 2, 3])],
)
def test_evenly_spaced_layers_end_with_the_last(layers, last, numbers):
    assert evenly_spaced(layers, last) == numbers
