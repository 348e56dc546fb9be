"""One round in as many processes as torchrun started; the main one saves the student: `processes.py TEACHER OUT`."""

import os
import sys

import torch
from test_round import DENSE, EXPERTS, run, weights

outcomes = run(sys.argv[1], {"dense": DENSE, "experts": EXPERTS}, dropout=0.0, load_balance=0.0)
if os.environ.get("RANK", "0") == "0":
    saved = {name: (weights(outcome), outcome.curve) for name, outcome in outcomes.items()}
    torch.save(saved, sys.argv[2])
