"""What a task is: one row of the tasks' table (table.py)."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Literal, NamedTuple

from minimoe.system.errors import readable

OWN = "own"  # the family of tasks that are rows of params.yaml


@dataclass(frozen=True)
class Split:
    """One set of examples of a task."""

    name: str  # the file data/tasks/<task>/<name>.jsonl
    suffix: str | None = ""  # of the results column that it scores; None: a training set
    file: str = ""  # its official file
    hub: str = ""  # its split in the hub's copy
    label: str = ""  # of its column in the report; empty: the task's
    short: str = ""  # the same in narrow tables


class Sizes(NamedTuple):
    """A task's official sets."""

    train: int  # examples
    scored: int  # examples of all sets that are scored
    tokens: float  # of an example


@dataclass(frozen=True, kw_only=True)
class Task:
    """One task: its files, columns, labels, metrics and sizes."""

    # read by finetuning; a change reruns the task's cells
    name: str
    # multilabel: any number of labels each; similarity: scored without training
    kind: Literal["classification", "regression", "tagging", "similarity", "multilabel"]
    columns: tuple[str, ...]  # official columns: text, for pairs the second text, label
    labels: tuple[str, ...]  # names, in the order of their numbers; none where a label is a number, or not yet known
    metrics: tuple[str, ...]  # keys of minimoe.finetune.metrics, the paper's first
    bounds: tuple[float, float] = (0.0, 1.0)  # of a label that is a number
    splits: tuple[Split, ...]
    # read where its files become the normal form
    family: Literal["glue", "conll2003", "clue", "own"] = "glue"  # key of task_data: which reader, which hub id
    folder: str = ""  # of its official files, within the family's folder
    configuration: str = ""  # of the hub's copy; empty: the task's name
    hub_columns: tuple[str, ...] = ()  # the same columns of the hub's copy
    written: tuple[str, ...] = ()  # labels as the official files write them; empty: by name
    header: tuple[str, ...] = ()  # for official files without a header line
    unlabelled: str = ""  # what official files write where the annotators did not agree; such rows are left out
    separator: str = ","  # between the labels in a cell, where there may be several
    cut_rows: int = 0  # official rows known to be cut apart by a line break in a text, at most
    # read by the report and the plan
    label: str = ""  # of its column in the report
    group: str = ""  # the heading over its columns
    sizes: Sizes | None = None

    @property
    def graded(self) -> bool:
        """Whether its labels are numbers on a scale, within `bounds`."""
        return self.kind in ("regression", "similarity")

    @property
    def trained(self) -> bool:
        """Whether models are finetuned on it before they are scored."""
        return self.kind != "similarity"

    @property
    def results(self) -> dict[str, str]:
        """Results columns → the split that each is scored on; the first chooses the best epoch."""
        return {self.name + split.suffix: split.name for split in self.splits if split.suffix is not None}


FINETUNED = ("name", "kind", "columns", "labels", "metrics", "bounds")


def to_settings(task: Task) -> dict:
    """What finetuning reads of a task, as a value of its settings: a change of another row reruns none of its cells."""
    splits = [[split.name, split.suffix] for split in task.splits]
    return {key: getattr(task, key) for key in FINETUNED} | {"splits": splits}


def from_settings(values: Mapping) -> Task:
    """The task of `to_settings`, which of its files and its place in the report knows nothing; or of `whole`."""
    fields = {key: tuple(value) if isinstance(value, list) else value for key, value in values.items()}
    splits = (Split(**split) if isinstance(split, dict) else Split(*split) for split in values["splits"])
    return Task(**fields | {"splits": tuple(splits)})


def whole(task: Task) -> dict:
    """All of a task that is a row of params.yaml, as a value of a stage's settings."""
    return asdict(task)


LABELS = "labels.json"  # in data/tasks/<task>, of tasks whose labels were found in their training files


def with_labels(task: Task, folder: str | Path) -> Task:
    """The task with the labels that the stage tasks has written into its `folder`, where it has."""
    path = Path(folder, LABELS)
    if not path.is_file():
        return task
    with readable(str(path), "run the stage tasks again"):
        return replace(task, labels=tuple(json.loads(path.read_text(encoding="utf-8"))))
