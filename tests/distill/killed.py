"""One round in as many processes as torchrun started; the main one saves the students.

`killed.py TEACHER OUT CHECKPOINTS [STEP]`: the main process kills itself at STEP.
"""

import os
import signal
import sys

import torch
from tiny_rounds import DENSE, EXPERTS, Recorder, run, weights

from minimoe.params.rounds import OnceForAll
from minimoe.resume.checkpoints import Checkpoints

teacher, out, checkpoints, *fatal = sys.argv[1:]
main = os.environ.get("RANK", "0") == "0"


class Kills(Recorder):
    def metrics(self, values, step=0):
        if main and "train_loss" in values and fatal == [str(step)]:
            os.kill(os.getpid(), signal.SIGKILL)


shapes = OnceForAll(layers=[1, 2], hidden=[12, 24], heads=4)
students = {"dense": DENSE, "experts": EXPERTS}
results = run(teacher, students, once_for_all=shapes, checkpoints=Checkpoints(checkpoints, 0), tracker=Kills)
if main:
    saved = {name: (weights(result), result.curve) for name, result in results.items()}
    torch.save(saved, out)
