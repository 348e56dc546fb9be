"""`make gpu` on tiny models and this processor: all of its code but what asks the card."""

import json
import sys

import pytest
import torch

from benchmarks import gpu


def run(monkeypatch, out, *arguments):
    monkeypatch.setattr(sys, "argv", ["gpu", "--small", "--out", str(out), *arguments])
    gpu.main()
    return json.loads(out.read_text())


@pytest.mark.slow
def test_what_one_process_measures(monkeypatch, tmp_path):
    found = run(monkeypatch, tmp_path / "gpu.json", "equality", "loss", "steps", "loading")
    assert {"torch", "transformers", "machine", "date", "commit"} <= found.keys()
    assert all(errors == {"losses": 0, "gradients": 0} for errors in list(found["equality"].values())[:-1])
    assert found["loss"]["error of the gradient"] == 0  # without a GPU both are the plain form
    rounds = [found["steps"][name] for name in gpu.small().rounds]
    assert all(one["sequences/s"] > 0 and 0 < one["share of the product"] < 1 for one in rounds)
    assert rounds[0]["GFLOP a sequence"] < rounds[2]["GFLOP a sequence"]
    assert found["loading"]["records/s"] > 0


@pytest.mark.slow
def test_cells_side_by_side(monkeypatch, tmp_path):
    monkeypatch.setattr(gpu, "CELLS", (2,))
    assert run(monkeypatch, tmp_path / "gpu.json", "cells")["cells"]["2 cells, examples/s"] > 0


def test_a_part_that_fails_is_written_and_the_others_go_on(monkeypatch, tmp_path, capsys):
    monkeypatch.setitem(gpu.PARTS, "steps", lambda size, device: {}["no"])
    monkeypatch.setitem(gpu.PARTS, "loading", lambda size, device: {"records/s": 1.0})
    with pytest.raises(SystemExit, match="steps ended with an error"):
        run(monkeypatch, tmp_path / "gpu.json", "steps", "loading")
    found = json.loads((tmp_path / "gpu.json").read_text())
    assert found["steps"]["error"] == "KeyError: 'no'" and found["loading"]["records/s"] == 1.0


def test_gradients_that_differ_end_the_part(monkeypatch):
    made = iter([torch.ones(3), torch.tensor([1.0, 1.0, 1.001])] * 3)
    monkeypatch.setattr(gpu, "_gradients", lambda *_: {"gradients": next(made)})
    with pytest.raises(ArithmeticError, match="relative errors of at most"):
        gpu.equality(gpu.small(), "cpu")


@pytest.mark.slow
def test_the_kernel_is_measured_where_there_is_a_gpu(monkeypatch):
    """Through the interpreter."""
    pytest.importorskip("minimoe.distill.fused", reason="needs Triton")
    monkeypatch.setattr("minimoe.distill.relations.FUSED", ("cpu",))
    found = gpu.loss(gpu.small(), "cpu")
    assert 0 < found["error of the gradient"] < gpu.ROUNDED and found["error of the loss"] < 1e-4


def test_no_gpu_is_one_line(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["gpu"])
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(SystemExit, match="PyTorch finds no GPU here"):
        gpu.main()


def test_what_would_begin_too_late_is_left_out(monkeypatch, tmp_path):
    monkeypatch.setattr(gpu, "SECONDS", -1)
    with pytest.raises(SystemExit, match="loading ended with an error"):
        run(monkeypatch, tmp_path / "gpu.json", "loading")
