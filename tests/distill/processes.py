"""One round in as many processes as torchrun started; the main one saves the student: `processes.py TEACHER OUT`."""

import os
import sys

import torch
from tiny_rounds import DENSE, EXPERTS, run, weights

from minimoe.params.rounds import OnceForAll

family = OnceForAll(layers=[1, 2], hidden=[12, 24], heads=4)
calm = dict(dropout=0.0, load_balance=0.0)
outcomes = run(sys.argv[1], {"dense": DENSE, "experts": EXPERTS}, once_for_all=family, **calm)
if os.environ.get("RANK", "0") == "0":
    saved = {name: (weights(outcome), outcome.curve) for name, outcome in outcomes.items()}
    torch.save(saved, sys.argv[2])
