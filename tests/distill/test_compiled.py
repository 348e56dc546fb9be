"""Compiled encoders compute what they compute otherwise, without a break in a layer's graph.

The backend here keeps PyTorch's own kernels, as a compiler takes longer than all other tests of a round.
"""

from collections import Counter
from functools import partial

import backbones
import pytest
import torch
from tiny_rounds import DENSE, EXPERTS, HASHED, run, weights

from minimoe.distill.batch import Batch
from minimoe.distill.hooks import LayerHooks
from minimoe.params.rounds import OnceForAll, Student
from minimoe.system.errors import UserError
from minimoe.training.compiled import compile_layers, compiles

DEEP = DENSE.model_copy(update={"layers": 3})
FINE = Student.model_validate(DEEP.model_dump() | {"experts": {"ffn": 4, "active": 2, "shared": 32}})


@pytest.mark.parametrize(
    ("setting", "device", "wanted"),
    [("auto", "cpu", False), ("auto", "cuda", True), ("never", "cuda", False), ("always", "cpu", True)],
)
def test_when_encoders_are_compiled(setting, device, wanted, monkeypatch):
    monkeypatch.setattr("minimoe.training.compiled.shutil.which", lambda name: name)
    assert compiles(setting, device) is wanted


def test_a_missing_compiler_is_one_line(monkeypatch):
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.raises(UserError, match=r"runtime.compile: expected a C\+\+ compiler"):
        compiles("always", "cpu")


@pytest.fixture
def traced(monkeypatch):
    """torch.compile's counters since the test began, and who compiled layers, for PyTorch's own kernels."""
    torch._dynamo.reset()
    torch._dynamo.utils.counters.clear()
    called = Counter()

    def quick(layers, module):
        called[module] += 1
        compile_layers(layers, backend="aot_eager")

    for module in ("learner", "hooks", "assistant"):
        monkeypatch.setattr(f"minimoe.distill.{module}.compile_layers", partial(quick, module=module))
    return torch._dynamo.utils.counters, called


@pytest.mark.slow
@pytest.mark.parametrize(
    ("students", "changes"),
    [
        ({"dense": DENSE, "experts": EXPERTS}, {}),
        ({"hashed": HASHED}, {}),
        ({"dense": DEEP, "fine": FINE}, {"further_layers": [2], "relation_sequences": 2}),
        ({"dense": DEEP.model_copy(update={"heads": 4})}, {"objective": "tinybert"}),
        ({}, {"once_for_all": OnceForAll(layers=[2, 1], hidden=[24, 12])}),
    ],
)
def test_a_compiled_round_learns_the_same(teacher, traced, students, changes):
    calm = dict(dropout=0.0, epochs=1) | changes
    plain, compiled = (run(teacher, students, compiled=compiled, **calm) for compiled in (False, True))
    counters, called = traced
    assert counters["stats"]["unique_graphs"] > 1 and called == {"hooks": 1, "learner": len(students) or 1}
    # where states of several depths are wanted, transformers' own recording of them is not traced
    recorded = "once_for_all" in changes or "objective" in changes
    assert bool(counters["graph_break"]) is recorded, counters["graph_break"]
    assert_equal(compiled, plain)


@pytest.mark.slow
def test_candidates_and_the_assistant_that_is_chosen_are_compiled_too(sparsified, traced):
    kept = dict(assistant=True, dropout=0.0, epochs=1)
    plain, compiled = (run(sparsified, {"s": Student(sparsity=90)}, compiled=c, **kept) for c in (False, True))
    assert traced[1] == {"hooks": 1, "learner": 2, "assistant": 1}
    assert_equal(compiled, plain)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["deberta-v2", "ernie", "eurobert", "modernbert", "mpnet", "nomic_bert"])
def test_compiled_layers_of_every_kind_of_teacher_give_the_same_features(kind, traced):
    read = LayerHooks(backbones.make_model(kind, vocabulary=50).requires_grad_(False), "last")
    mask = torch.arange(12) < torch.tensor([[12], [7]])
    ids = torch.randint(5, 50, (2, 12), generator=torch.Generator().manual_seed(0)).where(mask, 1)
    batch = Batch.of({"input_ids": ids, "attention_mask": mask, "token_type_ids": torch.zeros_like(ids)})
    plain = read(**batch.inputs)
    compile_layers(read.layers, backend="aot_eager")
    for compiled, expected in zip(read(**batch.inputs)[:3], plain[:3], strict=True):
        torch.testing.assert_close(compiled[mask], expected[mask], rtol=1e-4, atol=1e-5)
    assert traced[0]["stats"]["unique_graphs"] > 1 and not traced[0]["graph_break"]


def assert_equal(compiled, plain):
    for name in plain:
        torch.testing.assert_close(weights(compiled[name]), weights(plain[name]), rtol=1e-4, atol=1e-6)
        losses = [[row["heldout_loss"] for row in one[name].curve] for one in (compiled, plain)]
        assert losses[0] == pytest.approx(losses[1], rel=1e-5)


class Doubles(torch.nn.Module):
    def forward(self, x):
        return 2 * x


def test_a_lengths_code_is_the_same_whichever_came_first():
    """So that a run that is interrupted and goes on with another length computes the same."""
    torch._dynamo.reset()
    sizes = []

    def backend(graph, inputs):
        sizes.append([size for value in inputs if value.dim() == 3 for size in value.shape])
        return graph.forward

    layer = Doubles()
    compile_layers([layer], backend)
    for length in (5, 7, 9, 5):
        layer(torch.ones(2, length, 4))
    assert sizes == [[2, 5, 4], [2, 7, 4], [2, 9, 4]]
