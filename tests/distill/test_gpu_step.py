"""A whole step on a device without values: nothing waits for the device, and few operations, however large the batch.

A GPU starts an operation in about 5 µs, so that many small ones take longer than their arithmetic.
"""

import pytest
import torch
from tiny_rounds import DENSE, EXPERTS, settings
from transformers import BertConfig, MegatronBertConfig, RobertaConfig

from benchmarks.kernels import Step
from minimoe.distill import relations
from minimoe.distill.learner import Learner
from minimoe.params.rounds import OnceForAll, Student

SHAPE = dict(hidden_size=48, num_hidden_layers=3, num_attention_heads=4, intermediate_size=96, vocab_size=50)
TEACHER = BertConfig(**SHAPE)
FOUR_HEADS = Student(layers=2, hidden=24, heads=4)
# operations of a step of one student of two layers under a teacher of three, forward and backward pass and update
MOST = {"dense": 225, "experts": 450}


@pytest.mark.slow
@pytest.mark.parametrize(("name", "student"), [("dense", DENSE), ("experts", EXPERTS)])
def test_operations_are_few_and_as_many_for_any_batch(name, student):
    pytest.importorskip("triton")
    step = Step(TEACHER, [student], settings())
    few, many = step(2, 16).names, step(256, 16).names
    assert few == many, many - few
    assert few.total() <= MOST[name]


@pytest.mark.slow
def test_each_further_student_takes_as_many_operations():
    pytest.importorskip("triton")
    one, two, three = (Step(TEACHER, [DENSE] * n, settings())(4, 16).names.total() for n in (1, 2, 3))
    assert three - two == two - one <= 155


@pytest.mark.slow
def test_without_the_kernels_the_chunks_of_a_gpu_take_as_many_for_any_batch(monkeypatch):
    step = Step(TEACHER, [DENSE], settings(), fused=False)
    assert step(256, 16).names == step(2, 16).names
    monkeypatch.setitem(relations.CHUNKS, "cuda", 1 << 12)  # as for a cache
    assert step(256, 16).names.total() > 3 * step(2, 16).names.total()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("teacher", "changes"),
    [
        (TEACHER, {}),
        (TEACHER, {"log_epsilon": 1e-7, "relation_dropout": 0.1}),
        (TEACHER, {"objective": "tinybert"}),
        (TEACHER, {"balance_padding": True}),
        (TEACHER, {"router_z_loss": 0.001, "expert_learning_rate": 2.0}),
        (RobertaConfig(**SHAPE), {}),
        (MegatronBertConfig(**SHAPE), {}),
    ],
)
def test_nothing_waits_for_the_device(teacher, changes):
    students = [FOUR_HEADS] if "objective" in changes else [DENSE, EXPERTS]
    step = Step(teacher, students, settings(**changes))
    step(4, 16, parts=2 if len(students) > 1 else 1)


@pytest.mark.slow
def test_students_in_one_set_of_weights_do_not_wait_either():
    """A sparse gradient of embeddings would: padding is left out of it, by an index of booleans."""
    family = OnceForAll(layers=[1, 2], hidden=[12, 24], heads=4)
    few, many = (Step(TEACHER, [], settings(), family=family)(size, 16).names for size in (2, 64))
    assert few == many


@pytest.mark.slow
@pytest.mark.parametrize(
    "wait",
    [
        lambda x: x.sum().item(),
        lambda x: x.tolist(),
        lambda x: x.nonzero(),
        lambda x: x[x > 0],
        lambda x: x.cpu(),
        lambda x: bool((x > 0).all()),
    ],
)
def test_what_waits_for_the_device_is_seen(wait, monkeypatch):
    """An error on this device: a value that is looked at, a size that depends on values, a copy to the host."""
    step, update = Step(TEACHER, [DENSE], settings()), Learner.update
    monkeypatch.setattr(Learner, "update", lambda self: (wait(self._step_losses), update(self)))
    with pytest.raises((RuntimeError, NotImplementedError), match=r"(?i)meta"):
        step(4, 16)


def test_what_is_counted_is_operations_and_bytes():
    from benchmarks.kernels import Operations

    x = torch.zeros(4, 8)
    with Operations() as counted:
        y = x.view(8, 4).t().detach()
        y.add_(1)
        _ = y * 2
    assert counted.names == {"add_": 1, "mul": 1}
    assert counted.moved == 2 * 2 * x.numel() * 4
