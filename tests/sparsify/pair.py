"""Importances measured by two processes, as torchrun started them: `pair.py MADE FOLDER CRITERION`.

One run goes on where another number of processes ended, and one ends for another number to go on.
"""

import sys
from contextlib import suppress
from pathlib import Path

from minimoe.records.dataset import Records
from minimoe.resume.checkpoints import Checkpoints
from minimoe.sparsify.make import sparsify
from minimoe.tracking import NoTracker

BEGUN = 4  # batches, of more
SETTINGS = {"share": 0.5, "batch": 8, "criterion": "masked_lm", "sparsities": [0, 50], "seed": 1, "device": "cpu"}


class Ended(Exception):
    pass


class Ends(NoTracker):
    """Ends the run, in every process that has it, at a batch."""

    def __init__(self, at=float("inf")):
        self.at, self.steps = at, []

    def metrics(self, values, step=0):
        self.steps.append(step)
        if step > self.at:
            raise Ended


def run(made: Path, out: Path, work: Path, tracker, criterion: str) -> None:
    settings = SETTINGS | {"criterion": criterion}
    with suppress(Ended):
        records, checkpoints = Records(made / "data/records"), Checkpoints(work, 0)
        sparsify(made / "models/teacher", records, out, tracker=tracker, checkpoints=checkpoints, **settings)


if __name__ == "__main__":
    made, folder = map(Path, sys.argv[1:3])
    run(made, folder / "ended by two", folder / "begun by one", Ends(), sys.argv[3])
    run(made, folder / "nowhere", folder / "begun by two", Ends(at=BEGUN), sys.argv[3])
