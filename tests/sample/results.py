"""What a finished run of the sample must show: `python -m tests.sample.results`, after `make repro`.

On every task that is finetuned on, the teacher is clearly above always answering the commonest label, and the distilled
students of the control's size are clearly above the control, which was not distilled, in most columns.
"""

import json
import sys
from pathlib import Path
from statistics import mean

from minimoe.params import load
from minimoe.tasks.table import TASKS

MARGIN = 5.0  # points by which the teacher must be above the majority's answer
CLEARLY = 3.0  # points by which distilled students are above the control
CONTROL = "control/scratch-2L-72H"
DISTILLED = ["base/minilm-2L-72H", "base/minimoe-2L-72H", "assisted/minilm-ta-2L-72H"]


def columns(model: str, tasks: list[str]) -> dict[str, dict]:
    """The scores of one row of the table, by column."""
    files = [Path(f"metrics/finetune/{model}/{task}.json") for task in tasks]
    return {key: value for file in files for key, value in json.loads(file.read_text())["results"].items()}


def problems(tasks: list[str]) -> list[str]:
    """What the numbers fail to show."""
    teacher, control = columns("teacher", tasks), columns(CONTROL, tasks)
    weak = [
        f"{column}: teacher {score['mean']:.1f}, majority {score['majority']:.1f}"
        for column, score in teacher.items()
        if score["mean"] < score["majority"] + MARGIN
    ]
    students = [columns(model, tasks) for model in DISTILLED]
    gains = {key: mean(own[key]["mean"] for own in students) - score["mean"] for key, score in control.items()}
    told = ", ".join(f"{key} {gain:+.1f}" for key, gain in gains.items())
    clear = sum(gain >= CLEARLY for gain in gains.values())
    return weak + ([f"distilled students against the control: {told}"] if 2 * clear <= len(gains) else [])


if __name__ == "__main__":
    found = problems([task for task in load().table.tasks if TASKS[task].trained])
    print("\n".join(found) or "the sample shows what it must")
    sys.exit(bool(found))
