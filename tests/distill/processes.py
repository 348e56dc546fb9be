"""One round in as many processes as torchrun started; the main one saves the student.

`processes.py TEACHER OUT`: without random draws. `processes.py TEACHER OUT CHECKPOINTS [STEP]`: with them; the main
process kills itself at STEP.
"""

import os
import signal
import sys

import torch
from tiny_rounds import DENSE, EXPERTS, Recorder, run, weights

from minimoe.checkpoints import Checkpoints
from minimoe.params.rounds import OnceForAll

teacher, out, *more = sys.argv[1:]
main = os.environ.get("RANK", "0") == "0"


class Kills(Recorder):
    def metrics(self, values, step=0):
        if main and "train_loss" in values and more[1:] == [str(step)]:
            os.kill(os.getpid(), signal.SIGKILL)


family = OnceForAll(layers=[1, 2], hidden=[12, 24], heads=4)
calm = dict(dropout=0.0, load_balance=0.0)
chosen = dict(checkpoints=Checkpoints(more[0], 0), tracker=Kills) if more else calm
outcomes = run(teacher, {"dense": DENSE, "experts": EXPERTS}, once_for_all=family, **chosen)
if main:
    saved = {name: (weights(outcome), outcome.curve) for name, outcome in outcomes.items()}
    torch.save(saved, out)
