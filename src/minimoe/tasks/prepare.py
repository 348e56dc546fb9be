"""All tasks of the table → data/tasks/<task>/<split>.jsonl, from official files or from the hub."""

import json
from collections.abc import Iterator
from pathlib import Path

from tqdm import tqdm

from minimoe.errors import UserError
from minimoe.files import whole_folder
from minimoe.tasks.hub import read_hub
from minimoe.tasks.readers import read_official
from minimoe.tasks.table import TASKS, Split, Task


def prepare_tasks(names: list[str], folders: dict[str, str | None], hubs: dict[str, str], out: str | Path) -> None:
    """Write the tasks `names` in the normal form into the folder `out`, all of them or nothing.

    `folders` says where the official files of a family are; for a family with None, `hubs` has the hub id.
    Raises `UserError` for a file or a hub's copy that is not as expected.
    """
    with whole_folder(out) as temporary:
        for name in tqdm(names, desc="tasks", unit="task", leave=False):
            task = TASKS[name]
            counts = {split.name: _write(task, split, folders, hubs, temporary) for split in task.splits}
            tqdm.write(f"{name}: " + ", ".join(f"{split} {count:,}" for split, count in counts.items()))


def _write(task: Task, split: Split, folders: dict, hubs: dict, out: Path) -> int:
    """Write one split; returns its number of examples."""
    if folder := folders.get(task.family):
        where = Path(folder, task.folder, split.file)
        examples: Iterator[dict] = read_official(where, task)
    else:
        where = f"{hubs[task.family]}, {task.name}, split {split.hub}"
        examples = read_hub(hubs[task.family], task, split)
    path = out / task.name / f"{split.name}.jsonl"
    path.parent.mkdir(exist_ok=True)
    count = 0
    with path.open("w", encoding="utf-8") as file:
        for count, item in enumerate(examples, start=1):
            try:
                file.write(json.dumps(item, ensure_ascii=False) + "\n")
            except UnicodeEncodeError:
                raise UserError(f"{where}: example {count} holds half a surrogate pair; mend or remove it") from None
    if not count:
        raise UserError(f"{where}: expected examples, found none")
    return count
