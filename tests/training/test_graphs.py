"""Sections of a step as CUDA graphs, by a stand-in for the GPU's."""

from types import SimpleNamespace

import pytest
import torch
from recorded import recording  # noqa: F401 (a fixture)

from minimoe.distill.batch import TokenCounts
from minimoe.models.config import MiniMoEConfig
from minimoe.models.student import MiniMoEModel
from minimoe.training import graphs
from minimoe.training.draws import drawing
from minimoe.training.graphs import WARM, Graphs, capturable

CPU = torch.device("cpu")


class Step:
    """Two sections; the second draws."""

    def __init__(self):
        self.total, self.calls = torch.zeros(2), 0

    def __call__(self, batch, counts):
        self.calls += 1
        doubled = batch["x"] * 2
        yield 7
        self.total += (doubled * torch.rand(2)).sum(0) / counts.tokens


def expected(x, tokens, key):
    with drawing(CPU, *key, 7):
        return (x * 2 * torch.rand(2)).sum(0) / tokens


def test_graphs_take_new_values_numbers_and_seeds(recording):  # noqa: F811
    step, runs = Step(), Graphs(CPU)
    for number in range(8):
        x, tokens = torch.randn(3, 2), 5 + number
        step.total.zero_()
        runs(step, {"x": x, "none": None}, TokenCounts(tokens, 0, 1), key=(1, number))
        torch.testing.assert_close(step.total, expected(x, tokens, (1, number)))
    assert step.calls == WARM + 1
    assert recording.recorded == 2
    assert recording.replayed == 2 * (8 - WARM)


def test_every_shape_has_graphs_of_its_own_up_to_a_number(recording, monkeypatch):  # noqa: F811
    monkeypatch.setattr(graphs, "MOST", 2)
    step, runs = Step(), Graphs(CPU)
    for _ in range(WARM + 2):
        for rows in (1, 2, 3):
            x = torch.randn(rows, 2)
            step.total.zero_()
            runs(step, {"x": x}, TokenCounts(2, 0, 1), key=(0, rows))
            torch.testing.assert_close(step.total, expected(x, 2, (0, rows)))
    assert recording.recorded == 2 * 2


def test_without_a_key_draws_go_on(recording):  # noqa: F811
    step, runs = Step(), Graphs(CPU)
    torch.manual_seed(3)
    for _ in range(WARM + 3):
        runs(step, {"x": torch.ones(1, 2)}, TokenCounts(1, 0, 1))
    torch.manual_seed(3)
    torch.testing.assert_close(step.total, sum(2 * torch.rand(2) for _ in range(WARM + 3)))


def test_what_cannot_be_recorded_runs_as_usual_and_is_said_once(recording, capsys):  # noqa: F811
    seen = []

    def step(x):
        seen.append(float(x))  # waits for the device
        yield 0
        seen.append(-float(x))

    runs = Graphs(CPU)
    for number in range(WARM + 3):
        runs(step, torch.tensor(float(number)), key=(0,))
    assert seen == [sign * float(number) for number in range(WARM + 3) for sign in (1, -1)]
    assert capsys.readouterr().err.count("cannot be recorded as a CUDA graph") == 1


@pytest.mark.parametrize(
    ("device", "precision", "processes", "experts", "sharded", "wanted"),
    [
        ("cuda", "fp16", 1, False, False, True),
        ("cuda", "fp32", 8, False, False, True),
        ("cuda", "bf16", 1, True, False, True),
        ("cuda", "bf16", 8, True, False, False),
        ("cuda", "fp16", 1, True, False, False),
        ("cuda", "bf16", 8, False, True, False),
        ("cpu", "bf16", 1, False, False, False),
    ],
)
def test_steps_are_recorded_where_nothing_waits(monkeypatch, device, precision, processes, experts, sharded, wanted):
    monkeypatch.setenv("ACCELERATE_USE_FSDP", str(sharded).lower())
    accelerator = SimpleNamespace(device=torch.device(device), num_processes=processes)
    layers = {"ffn_experts": [4]} if experts else {}
    config = MiniMoEConfig(num_hidden_layers=1, hidden_size=24, num_attention_heads=2, vocab_size=10, **layers)
    assert capturable(MiniMoEModel(config), accelerator, precision) == wanted
