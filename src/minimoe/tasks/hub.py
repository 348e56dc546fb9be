"""The hub's copies of the tasks → examples in the normal form, equal to those of the official files.

`nyu-mll/glue` and `clue/clue` keep one configuration per task and write -1 where a label is secret;
`tomaarsen/conll2003` keeps tags as numbers with names. An id may end in @revision. A copy that is a loading
script, which `datasets` runs no more, is read from the parquet conversion that the hub itself keeps on a branch.
A folder laid out like a hub repository works in place of an id.
"""

from collections.abc import Iterator

from minimoe.errors import UserError
from minimoe.tasks.readers import example, iob2
from minimoe.tasks.table import Split, Task

CONVERTED = "refs/convert/parquet"


def read_hub(hub: str, task: Task, split: Split) -> Iterator[dict]:
    """The examples of one split of the hub data set `hub`; raises `UserError` where it is not as expected."""
    rows = _load(hub, task, split)
    where = f"{hub}, {task.name}, split {split.hub}"
    missing = [column for column in task.hub_columns if column not in rows.features]
    if missing:
        raise UserError(f"{where}: no column {missing[0]!r}; it has {', '.join(rows.features)}")
    to_example = _tagged if task.kind == "tagging" else _labelled
    feature = rows.features[task.hub_columns[-1]]
    names = getattr(getattr(feature, "feature", feature), "names", None)
    if names is not None and set(names) != set(task.labels):
        raise UserError(f"{where}: expected labels {', '.join(task.labels)}; got {', '.join(names)}")
    for number, row in enumerate(rows):
        yield to_example(row, task, names or task.labels, f"{where}, row {number}")


def _load(hub: str, task: Task, split: Split):
    import datasets

    name, _, revision = hub.partition("@")
    config = None if task.family == "conll2003" else task.name
    try:
        try:
            return datasets.load_dataset(name, config, split=split.hub, revision=revision or None)
        except RuntimeError as error:
            if "scripts are no longer supported" not in str(error) or revision:
                raise
            return datasets.load_dataset(name, config, split=split.hub, revision=CONVERTED)
    except (OSError, ValueError, RuntimeError, datasets.exceptions.DatasetsError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        hint = "check the id and the network, or set source: local"
        raise UserError(f"task_data.{task.family}.hub: {hub!r} cannot be loaded: {reason}; {hint}") from None


def _labelled(row: dict, task: Task, names: list[str], where: str) -> dict:
    *texts, label = (row[column] for column in task.hub_columns)
    if task.kind == "regression":
        low, high = task.bounds
        if label is None or not low <= label <= high:
            raise UserError(f"{where}: expected a label from {low:g} to {high:g}, got {label}")
        return example(texts, round(float(label), 3))  # the hub stores the files' 3 decimals as 32-bit floats
    return example(texts, task.labels.index(_name(label, names, where)))


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
