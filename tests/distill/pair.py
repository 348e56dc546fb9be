"""What two processes do together, as torchrun started them: `pair.py TEACHER FOLDER`; each saves what it saw.

In FOLDER lie the checkpoints of a round begun elsewhere, and those of one that ends elsewhere.
"""

import os
import signal
import sys
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace

import torch
from tiny_rounds import DENSE, EXPERTS, Recorder, TinyRecords, run, weights

import minimoe.resume.checkpoints
from minimoe.models.dropout import Dropout
from minimoe.params.rounds import Student
from minimoe.resume.checkpoints import Checkpoints

CALM = {"dropout": 0.0, "load_balance": 0.5}
BOTH = {"dense": DENSE, "experts": EXPERTS}
FEW_HEADS = {"student": Student(layers=2, hidden=24, heads=4)}
UNREACHED = {  # settings whose loss does not reach every weight
    "relations": (BOTH, {"relation_weights": [1, 0, 1]}),
    "scores": (FEW_HEADS, {"objective": "tinybert", "tinybert_weights": [0, 1]}),
}
BEGUN = 5  # steps, of 8


class Ended(Exception):
    pass


class Ends(Recorder):
    """Ends the round, in the process that has it, where it is told of a step."""

    def metrics(self, values, step=0):
        super().metrics(values, step)
        if step > BEGUN:
            raise Ended


class Counted(Checkpoints):
    """Checkpoints whose clock goes on by a minute with each look at it, in a hasty process by ten; due every third."""

    def __init__(self, folder, minutes=3.0, hasty=False):
        self.now, self.pace, self.saved = 0.0, 600 if hasty else 60, []
        minimoe.resume.checkpoints.time = SimpleNamespace(monotonic=self.clock)
        super().__init__(folder, minutes)

    def part(self, name):
        return self

    def clock(self):
        self.now += self.pace
        return self.now

    def save(self, number, tensors, values):
        self.saved.append(number)
        super().save(number, tensors, values)


class Asks(Recorder):
    """Asks the second process alone to end, at step 3."""

    def metrics(self, values, step=0):
        super().metrics(values, step)
        if step == 3 and os.environ["RANK"] == "1":
            os.kill(os.getpid(), signal.SIGTERM)


class Same(TinyRecords):
    """One sequence, again and again."""

    def chosen(self, indices, apart):
        return super().chosen([0] * len(indices), apart)


def begin(teacher, students, folder) -> None:
    """Train some steps of a round without draws, and leave the rest."""
    with suppress(Ended):
        run(teacher, students, checkpoints=Checkpoints(folder, 0), tracker=Ends, **CALM)


def masks(teacher) -> list[torch.Tensor]:
    """The zeros of every dropout of a round in two parts a step, in the order of the forward passes."""
    seen, forward = [], Dropout.forward

    def watched(self, x):
        out = forward(self, x)
        if self.training:
            seen.append(out == 0)
        return out

    Dropout.forward = watched
    run(teacher, {"experts": EXPERTS}, Same(), micro_batch=2, load_balance=0.5, epochs=1)
    Dropout.forward = forward
    return seen


def main(teacher: str, folder: Path) -> dict:
    """Everything that is looked at."""
    rank = int(os.environ["RANK"])
    begin(teacher, BOTH, folder / "ends elsewhere")
    ended = run(teacher, BOTH, checkpoints=Checkpoints(folder / "begun elsewhere", 0), **CALM)
    seen = {"ended": {name: (weights(result), result.curve) for name, result in ended.items()}}
    seen["went on"] = [step for step, values in ended["dense"].points if "train_loss" in values]
    for name, (students, changes) in UNREACHED.items():
        made = run(teacher, students, **CALM | changes)
        seen[name] = {student: weights(result) for student, result in made.items()}
    seen["masks"] = masks(teacher)
    counted = Counted(folder / "counted", hasty=rank > 0)
    run(teacher, {"dense": DENSE}, checkpoints=counted, epochs=5, evaluate_every=20)
    asked = Counted(folder / "asked", minutes=float("inf"))
    with suppress(KeyboardInterrupt):
        run(teacher, {"dense": DENSE}, checkpoints=asked, tracker=Asks)
        asked.saved.append("not ended")
    seen["saved"], seen["asked"] = counted.saved, asked.saved
    return seen


if __name__ == "__main__":
    torch.save(main(sys.argv[1], Path(sys.argv[2])), f"{sys.argv[2]}/{os.environ['RANK']}.pt")
