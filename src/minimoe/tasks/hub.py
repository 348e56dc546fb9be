"""Read the hub's copies of the tasks as examples in the normal form, equal to those of the official files.

`nyu-mll/glue` and `clue/clue` keep one configuration per task and write -1 where a label is secret;
`tomaarsen/conll2003` keeps tags as numbers with names. An id may end in @revision. Parquet files are read, at one
commit and verified; of a copy that is a loading script or other files, those of the conversion that the hub itself
keeps on a branch. A folder laid out like a hub repository works in place of an id.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from minimoe.hub.snapshot import Snapshot, snapshot
from minimoe.system.errors import UserError, readable
from minimoe.tasks.readers import example, iob2
from minimoe.tasks.task import Split, Task

CONVERTED = "refs/convert/parquet"


def fetch(hub: str, tasks: list[Task]) -> Snapshot:
    """The folder with the parquet files of `tasks`, all of one family, of the hub data set `hub`, and its commit.

    Of a folder in place of an id, the commit is empty. Raises `UserError` where files cannot be had.
    """
    name, _, revision = hub.partition("@")
    if Path(hub).is_dir():
        return Snapshot(Path(hub), "")
    key = f"task_data.{tasks[0].family}.hub"
    splits = [(task, split) for task in tasks for split in task.splits]
    patterns = [f"{_configuration(task) or '*'}/{split.hub}*.parquet" for task, split in splits]
    patterns += [f"{split.hub}*.parquet" for task, split in splits if not _configuration(task)]
    found = snapshot("dataset", name, revision or "main", patterns, key)
    if not revision and not all(_files(found.folder, task, split) for task, split in splits):
        found = snapshot("dataset", name, CONVERTED, patterns, key)
    return found


def read_hub(folder: Path, task: Task, split: Split, where: str) -> Iterator[dict]:
    """The examples of one split of a hub data set in `folder`; raises `UserError` where it is not as expected."""
    import datasets
    from pyarrow import parquet

    files = _files(folder, task, split)
    if not files:
        raise UserError(f"{where}: no parquet files of it; check task_data.{task.family}.hub, or set source: local")
    with readable(f"{where}: cannot be read", "get it again, or set source: local"):
        tables = [parquet.read_table(file) for file in files]
        features = datasets.Features.from_arrow_schema(tables[0].schema)
    missing = [column for column in task.hub_columns if column not in features]
    if missing:
        raise UserError(f"{where}: no column {missing[0]!r}; it has {', '.join(features)}")
    to_example = _tagged if task.kind == "tagging" else _labelled
    feature = features[task.hub_columns[-1]]
    names = getattr(getattr(feature, "feature", feature), "names", None)
    if names is not None and set(names) != set(task.labels):
        raise UserError(f"{where}: expected labels {', '.join(task.labels)}; got {', '.join(names)}")
    rows = (row for table in tables for batch in table.to_batches() for row in batch.to_pylist())
    for number, row in enumerate(rows):
        yield to_example(row, task, names or task.labels, f"{where}, row {number}")


def _configuration(task: Task) -> str | None:
    """The configuration that a family's copy keeps a task in; None for that of one task, which has any."""
    return None if task.family == "conll2003" else task.configuration or task.name


def _files(folder: Path, task: Task, split: Split) -> list[Path]:
    """The parquet files of a split: `<configuration>/<split>-<shard>`, or `<configuration>/<split>/<shard>`."""
    shard = re.compile(rf"{split.hub}(-\d+-of-\d+.*)?")
    by_configuration: dict[str, list[Path]] = {}
    for path in sorted(folder.rglob("*.parquet")):
        *folders, _ = path.relative_to(folder).parts
        if path.exists() and (shard.fullmatch(path.stem) or folders[-1:] == [split.hub]):
            by_configuration.setdefault(folders[0] if folders else "", []).append(path)
    if wanted := _configuration(task):
        return by_configuration.get(wanted, [])
    if len(by_configuration) > 1 and task.name not in by_configuration:
        raise UserError(
            f"task_data.{task.family}.hub: expected one configuration, or {task.name}; "
            f"got {', '.join(by_configuration)}; choose another data set, or set source: local"
        )
    return by_configuration.get(task.name) or next(iter(by_configuration.values()), [])


def _labelled(row: dict, task: Task, names: list[str], where: str) -> dict:
    *texts, label = (row[column] for column in task.hub_columns)
    if task.graded:
        low, high = task.bounds
        if label is None or not low <= label <= high:
            raise UserError(f"{where}: expected a label from {low:g} to {high:g}, got {label}")
        return example(texts, round(float(label), 3), where)  # the hub stores the files' 3 decimals as 32-bit floats
    return example(texts, task.labels.index(_name(label, names, where)), where)


def _tagged(row: dict, task: Task, names: list[str], where: str) -> dict:
    words, tags = (row[column] for column in task.hub_columns)
    return {"words": words, "tags": iob2([_name(tag, names, where) for tag in tags])}


def _name(label: int | str | None, names: list[str], where: str) -> str:
    """The name of a label that is a number or a name already."""
    if label in names:
        return label
    if not isinstance(label, int) or not 0 <= label < len(names):
        raise UserError(f"{where}: expected a label from 0 to {len(names) - 1}, got {label}")
    return names[label]
