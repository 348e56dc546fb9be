"""Rounds of every kind in as many processes as a launcher started: `processes.py TEACHER SPARSIFIED OUT MICRO_BATCH`.

The main one saves the students. All that is drawn on a device is off, and the load balance weighs much.
"""

import os
import sys

import torch
from tiny_rounds import DENSE, EXPERTS, run, weights

from minimoe.params.rounds import OnceForAll, Student

CALM = dict(dropout=0.0, load_balance=0.5)


def train(teacher, sparsified, micro_batch: int = 0) -> dict:
    """Weights, curve and metrics of every student."""
    shapes = OnceForAll(layers=[1, 2], hidden=[12, 24], heads=4)
    few_heads = {"tinybert": Student(layers=2, hidden=24, heads=4)}
    rounds = [
        run(teacher, {"dense": DENSE, "experts": EXPERTS}, micro_batch=micro_batch, once_for_all=shapes, **CALM),
        run(teacher, few_heads, micro_batch=micro_batch, objective="tinybert", **CALM),
        run(sparsified, {"sparse": Student(sparsity=90)}, micro_batch=micro_batch, assistant=True, **CALM),
    ]
    results = {name: result for students in rounds for name, result in students.items()}
    return {name: (weights(result), result.curve, result.metrics()) for name, result in results.items()}


if __name__ == "__main__":
    trained = train(*sys.argv[1:3], micro_batch=int(sys.argv[4]))
    if os.environ["RANK"] == "0":
        torch.save(trained, sys.argv[3])
