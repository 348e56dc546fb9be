"""Convert all tasks of the table to data/tasks/<task>/<split>.jsonl, from official files or from the hub."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType

from tqdm import tqdm

from minimoe.hub.snapshot import Snapshot
from minimoe.system.errors import UserError
from minimoe.system.files import whole_folder, write_json
from minimoe.tasks.hub import fetch, read_hub
from minimoe.tasks.own import check_metrics, labelled, read_own
from minimoe.tasks.readers import read_official
from minimoe.tasks.table import TASKS
from minimoe.tasks.task import LABELS, OWN, Split, Task


def prepare_tasks(
    names: list[str],
    folders: dict[str, str | None],
    hubs: dict[str, str],
    out: str | Path,
    own: Mapping[str, Task] = MappingProxyType({}),
) -> dict:
    """Write the tasks `names` in the normal form into the folder `out`, all of them or nothing.

    Returns the commits of the hub's copies that were read, by family.

    `folders` says where the official files of a family are; for a family with None, `hubs` has the hub id. `own` are
    those of the tasks that are the user's own; the labels found in their training files are written beside them.
    Raises `UserError` for a file or a hub's copy that is not as expected.
    """
    wanted = [TASKS[name] for name in names if name not in own and not folders.get(TASKS[name].family)]
    copies = {
        family: fetch(hubs[family], [task for task in wanted if task.family == family])
        for family in dict.fromkeys(task.family for task in wanted)
    }
    with whole_folder(out) as temporary:
        for name in tqdm(names, desc="tasks", unit="task", leave=False):
            task = check_metrics(labelled(own[name])) if name in own else TASKS[name]
            counts = {split.name: _write(task, split, folders, hubs, copies, temporary) for split in task.splits}
            if name in own and task.labels:
                write_json(temporary / name / LABELS, task.labels)
            tqdm.write(f"{name}: " + ", ".join(f"{split} {count:,}" for split, count in counts.items()))
    return {family: copy.commit for family, copy in copies.items() if copy.commit}


def _write(task: Task, split: Split, folders: dict, hubs: dict, copies: dict[str, Snapshot], out: Path) -> int:
    """Write one split; returns its number of examples."""
    if task.family == OWN:
        where = Path(task.folder, split.file)
        examples: Iterator[dict] = read_own(where, task)
    elif folder := folders.get(task.family):
        where = Path(folder, task.folder, split.file)
        examples = read_official(where, task)
    else:
        where = f"{hubs[task.family]}, {task.name}, split {split.hub}"
        examples = read_hub(copies[task.family].folder, task, split, where)
    path = out / task.name / f"{split.name}.jsonl"
    path.parent.mkdir(exist_ok=True)
    count = 0
    with path.open("w", encoding="utf-8") as file:
        for count, item in enumerate(examples, start=1):
            try:
                file.write(json.dumps(item, ensure_ascii=False) + "\n")
            except UnicodeEncodeError:
                raise UserError(f"{where}: example {count} holds half a surrogate pair; fix or remove it") from None
    if not count:
        raise UserError(f"{where}: expected examples, found none")
    return count
