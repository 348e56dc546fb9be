"""How many examples a task has and how long they are: from its prepared files, its official ones, or a table."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

from minimoe.corpus.format import CHARACTER_LANGUAGES
from minimoe.params import Params
from minimoe.plan import constants
from minimoe.plan.constants import Examples
from minimoe.plan.corpus import COUNTED, GUESSED
from minimoe.tasks.readers import read_official
from minimoe.tasks.table import TASKS, Split, Task


def examples(name: str, params: Params, root: Path, done: set[str]) -> tuple[Examples, str]:
    """The sets of a task, and whether they were counted or guessed."""
    task, source = TASKS[name], dict(params.task_data)[TASKS[name].family]
    characters = 1.0 if params.corpus.language in CHARACTER_LANGUAGES else constants.CHARACTERS
    if "tasks" in done:
        prepared = root / "data/tasks" / name
        return _counted(task, characters, lambda split: _prepared(prepared / f"{split.name}.jsonl")), COUNTED
    if source.source == "local":
        folder = root / source.path / task.folder
        return _counted(task, characters, lambda split: read_official(folder / split.file, task)), COUNTED
    return constants.TASKS[name], GUESSED


def _counted(task: Task, characters: float, read: Callable[[Split], Iterator[dict]]) -> Examples:
    train = scored = length = 0
    for split in task.splits:
        for example in read(split):
            train += split.suffix is None
            scored += split.suffix is not None
            length += sum(map(len, example.get("words") or (example["text"], example.get("pair") or "")))
    return Examples(train, scored, length / characters / (train + scored) + 3)  # and the special ones


def _prepared(path: Path) -> Iterator[dict]:
    with path.open(encoding="utf-8") as file:
        yield from map(json.loads, file)
