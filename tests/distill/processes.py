"""Rounds of every kind in as many processes as a launcher started: `processes.py TEACHER SPARSIFIED OUT MICRO_BATCH`.

The main one saves the students. With a further argument, steps are recorded as CUDA graphs by a stand-in. All that is
drawn on a device is off, and the load balance weighs much.
"""

import os
import sys

import pytest
import torch
from recorded import as_a_gpu
from tiny_rounds import DENSE, EXPERTS, run, weights

from minimoe.models.routing import Router
from minimoe.params.rounds import OnceForAll, Student
from minimoe.training import graphs

CALM = dict(dropout=0.0, load_balance=0.5, router_z_loss=0.5, expert_learning_rate=2.0, schedule="cosine")


def train(teacher, sparsified, micro_batch: int = 0, compiled: bool = False) -> dict:
    """Weights, curve and metrics of every student."""
    shapes = OnceForAll(layers=[1, 2], hidden=[12, 24], heads=4)
    few_heads = {"tinybert": Student(layers=2, hidden=24, heads=4)}
    form = {"micro_batch": micro_batch, "compiled": compiled}
    rounds = [
        run(teacher, {"dense": DENSE, "experts": EXPERTS}, **form, once_for_all=shapes, **CALM),
        run(teacher, few_heads, **form, objective="tinybert", **CALM),
        run(teacher, {"sentence": DENSE, "sentence-experts": EXPERTS}, **form, objective="embedding", **CALM),
        run(sparsified, {"sparse": Student(sparsity=90)}, **form, assistant=True, **CALM),
    ]
    results = {name: result for students in rounds for name, result in students.items()}
    return {name: (weights(result), result.curve, result.metrics()) for name, result in results.items()}


if __name__ == "__main__":
    *arguments, out, micro_batch = sys.argv[1:5]
    if recorded := len(sys.argv) > 5:
        graphs.WARM = 1
        counts = as_a_gpu(
            pytest.MonkeyPatch(), lambda model, *_: not any(isinstance(module, Router) for module in model.modules())
        )
    trained = train(*arguments, micro_batch=int(micro_batch), compiled=recorded)
    if recorded and not counts.replayed:
        sys.exit("no graph was replayed")
    if os.environ["RANK"] == "0":
        torch.save(trained, out)
