"""Compiled encoders compute what they compute otherwise, without a break in a layer's graph.

The backend here keeps PyTorch's own kernels, as a compiler takes longer than all other tests of a round.
"""

from functools import partial

import pytest
import torch
from tiny_rounds import DENSE, EXPERTS, run, weights

from minimoe.distill import round as rounds
from minimoe.params.rounds import OnceForAll
from minimoe.system.errors import UserError
from minimoe.training.compiled import compile_layers, compiles


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


@pytest.mark.slow
@pytest.mark.parametrize(
    ("students", "changes"),
    [
        ({"dense": DENSE, "experts": EXPERTS}, {}),
        ({}, {"once_for_all": OnceForAll(layers=[2, 1], hidden=[24, 12])}),
    ],
)
def test_a_compiled_round_learns_the_same(teacher, monkeypatch, students, changes):
    torch._dynamo.reset()
    torch._dynamo.utils.counters.clear()
    monkeypatch.setattr(rounds, "compile_layers", partial(compile_layers, backend="aot_eager"))
    calm = dict(dropout=0.0, epochs=1) | changes
    plain, compiled = (run(teacher, students, compiled=compiled, **calm) for compiled in (False, True))
    counters = torch._dynamo.utils.counters
    assert counters["stats"]["unique_graphs"] > 1
    # where states of several depths are wanted, transformers' own recording of them is not traced
    assert bool(counters["graph_break"]) is ("once_for_all" in changes), counters["graph_break"]
    for name in plain:
        torch.testing.assert_close(weights(compiled[name]), weights(plain[name]), rtol=1e-4, atol=1e-6)
        losses = [[row["heldout_loss"] for row in one[name].curve] for one in (compiled, plain)]
        assert losses[0] == pytest.approx(losses[1], rel=1e-5)
