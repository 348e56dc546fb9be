"""Write what the runs of a cell answered to every example, from which the report computes its intervals.

The file is a parquet table with a row an example, in the order of the task's files, a set after the other:

    column   the results column that the example counts for, such as mnli-mm
    gold     the right answer
    776 …    the answer of the run with this seed, for each run at the chosen learning rate

An answer is the number of a label, a value, or with several labels an example a list with 0 or 1 for each. Of tags
there are counts: `gold` is a sentence's number of entities, and a run has a list of two, the entities that it found
and how many of them are right. Under tag_accuracy these are words, words, and right tags.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from torch import Tensor

from minimoe.finetune.data import EncodedExamples
from minimoe.system.files import whole_file
from minimoe.tasks.task import Task

COLUMN, GOLD = "column", "gold"
TYPES = {"classification": np.int32, "multilabel": np.int8, "tagging": np.int32}  # of answers; of values float32


def right(task: Task, gold: Sequence) -> np.ndarray:
    """The right answers as they are written [N], or [N, labels]."""
    if task.graded:
        return np.asarray(gold, np.float64)
    if task.kind == "tagging":
        gold = [len(_units(task, tags)) for tags in gold]
    return np.asarray(gold, TYPES[task.kind])


def given(task: Task, gold: Sequence, predicted: Sequence) -> np.ndarray:
    """A run's answers as they are written [N], [N, labels], or of tags [N, 2]."""
    if task.graded:
        return np.asarray(predicted, np.float32)  # which they are
    if task.kind == "tagging":
        pairs = [(_units(task, own), _units(task, tags)) for own, tags in zip(predicted, gold, strict=True)]
        predicted = [(len(found), len(found & wanted)) for found, wanted in pairs]
    return np.asarray(predicted, TYPES[task.kind])


def _units(task: Task, tags: Sequence[str]) -> set[tuple]:
    """What the metric counts in a sentence: its entities, by type and place, or its tags."""
    if task.metrics[0] == "tag_accuracy":
        return set(enumerate(tags))
    from seqeval.metrics.sequence_labeling import get_entities

    return set(get_entities(list(tags)))


def write(
    path: str | Path, task: Task, sets: Mapping[str, EncodedExamples], runs: Mapping[object, Mapping[str, Tensor]]
) -> None:
    """Write the answers of runs.

    Args:
        sets: by name, those that are scored at least.
        runs: by seed or another name, for each results column the answers from `given`, in the order of the set.
    """
    import pyarrow as pa
    from pyarrow import parquet

    tables = []
    for column, split in task.results.items():
        examples = sets[split]
        order = np.argsort(examples.places) if examples.places else slice(None)
        answers = {GOLD: right(task, examples.gold), **{str(seed): run[column].numpy() for seed, run in runs.items()}}
        names = pa.array([column] * len(examples.gold)).dictionary_encode()
        tables.append(pa.table({COLUMN: names, **{name: _arrow(values[order]) for name, values in answers.items()}}))
    with whole_file(path) as temporary:
        parquet.write_table(pa.concat_tables(tables).unify_dictionaries(), temporary, compression="zstd")


def _arrow(values: np.ndarray):
    import pyarrow as pa

    flat = pa.array(values.ravel())
    return flat if values.ndim == 1 else pa.FixedSizeListArray.from_arrays(flat, values.shape[1])
