"""Read the files of a task of the user's own as examples in the normal form.

- .csv: cells that commas part; one with a comma, a quote or a line break in it is quoted, as in RFC 4180.
- .tsv: cells that tabs part; nothing is quoted, a `"` is a character like any other.
- .jsonl: a JSON object a line.
- .conll: for tagging, a word a line, its tag last, a blank line after each sentence.

The first line of .csv and .tsv names the columns. Several labels, and words and tags, are lists in .jsonl; in a cell,
labels are parted by the task's separator, words and tags by spaces.
"""

import csv
import json
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from minimoe.system.errors import UserError
from minimoe.tasks.readers import example, iob2, read_conll
from minimoe.tasks.task import Task

LONGEST = 1 << 24  # characters of a cell


class Row(NamedTuple):
    """A row of a file: where it stands, and what is in the task's columns."""

    where: str
    cells: list


def read_own(path: Path, task: Task) -> Iterator[dict]:
    """The examples of one file of `task`, whose labels are known; errors name file, line and what was expected."""
    if path.suffix == ".conll":
        with _readable(path, task):
            for number, found in enumerate(read_conll(path, task), start=1):
                yield _known(found, task, f"{path}, sentence {number}")
        return
    for row in _rows(path, task):
        if task.kind == "tagging":
            yield _tagged(row, task)
            continue
        *texts, label = row.cells
        for column, text in zip(task.columns, texts, strict=False):
            if not isinstance(text, str):
                raise UserError(f"{row.where}: expected text under {column!r}, got {_short(text)}")
        yield example(texts, _answer(label, task, row.where), row.where)


def labelled(task: Task, root: Path = Path()) -> Task:
    """The task with the labels of its training file, sorted, where it has labels and does not say them itself."""
    if task.graded or task.labels:
        return task
    path = Path(root, task.folder, task.splits[0].file)
    if path.suffix == ".conll":
        with _readable(path, task), path.open(encoding="utf-8-sig") as file:
            lines = (line.split() for line in file)
            found = {cells[-1] for cells in lines if len(cells) > 1 and cells[0] != "-DOCSTART-"}
    else:
        found = {name for row in _rows(path, task) for name in _names(row, task)}
    if task.kind == "tagging" and _of_entities(found):
        found = {"O"} | {f"{place}-{name[2:]}" for place in "BI" for name in found - {"O"}}
    fewest = 1 if task.kind == "multilabel" else 2
    if len(found) < fewest:
        got = ", ".join(found) or "none"
        raise UserError(f"{path}: expected at least {fewest} labels in the column {task.columns[-1]!r}, got {got}")
    return replace(task, labels=tuple(sorted(found)))


def check_metrics(task: Task) -> Task:
    """The task; `UserError` where a metric does not fit the number of its labels."""
    if "f1" in task.metrics and len(task.labels) != 2:
        names = ", ".join(task.labels)[:200]
        raise UserError(f"own_tasks.{task.name}.metrics: expected macro_f1, as f1 is of two labels; there are {names}")
    return task


def _rows(path: Path, task: Task) -> Iterator[Row]:
    """The rows of a file with named columns."""
    with _readable(path, task), path.open(encoding="utf-8-sig", newline="") as file:
        yield from _objects(path, file, task) if path.suffix == ".jsonl" else _table(path, file, task)


def _table(path: Path, file, task: Task) -> Iterator[Row]:
    tabs = path.suffix == ".tsv"
    csv.field_size_limit(LONGEST)
    dialect = {"delimiter": "\t", "quoting": csv.QUOTE_NONE} if tabs else {"delimiter": ","}
    reader = csv.reader(file, strict=True, **dialect)
    try:
        header = next(reader, [])
        for column in task.columns:
            if header.count(column) != 1:
                many = "several columns" if column in header else "no column"
                names = ", ".join(header)[:300] or "none"
                raise UserError(f"{path}:1: {many} {column!r}, which own_tasks.{task.name} names; it has {names}")
        places = [header.index(column) for column in task.columns]
        for cells in reader:
            if cells and len(cells) != len(header):
                hint = "" if tabs else "; a text with a comma in it is quoted"
                raise UserError(f"{path}:{reader.line_num}: expected {len(header)} cells, got {len(cells)}{hint}")
            if cells:
                yield Row(f"{path}:{reader.line_num}", [cells[place] for place in places])
    except csv.Error as error:
        remedy = "remove the character" if tabs else 'within quotes a " is written twice'
        raise UserError(f"{path}:{reader.line_num}: wrong quoting or a damaged line ({error}); {remedy}") from None


def _objects(path: Path, file, task: Task) -> Iterator[Row]:
    for number, line in enumerate(file, start=1):
        if not line.strip():
            continue
        where = f"{path}:{number}"
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise UserError(f"{where}: expected a JSON object, got {_short(line)} ({error})") from None
        keys = list(row) if isinstance(row, dict) else []
        for column in task.columns:
            if column not in keys:
                names = ", ".join(keys)[:300] or "none"
                raise UserError(f"{where}: no key {column!r}, which own_tasks.{task.name} names; it has {names}")
        yield Row(where, [row[column] for column in task.columns])


def _answer(value: object, task: Task, where: str) -> float | int | list[int]:
    """A label in the normal form: a value, a number, or the numbers of several."""
    column = task.columns[-1]
    if task.graded:
        low, high = task.bounds
        try:
            number = float("nan") if isinstance(value, bool) else float(value)
        except (TypeError, ValueError, OverflowError):
            number = float("nan")
        if not low <= number <= high:
            bounds = f"from {low:g} to {high:g}, own_tasks.{task.name}.bounds"
            raise UserError(f"{where}: expected a {column} {bounds}; got {_short(value)}")
        return number
    numbers = sorted({_number(name, task, where) for name in _names(Row(where, [value]), task)})
    return numbers if task.kind == "multilabel" else numbers[0]


def _names(row: Row, task: Task) -> list[str]:
    """The labels of a row, by name."""
    value, column = row.cells[-1], task.columns[-1]
    if task.kind == "classification":
        value = [value]
    elif isinstance(value, str):
        value = value.split(task.separator if task.kind == "multilabel" else None)
        value = [name for name in value if name.strip()]
    names = [_name(item) for item in value] if isinstance(value, list) else [None]
    if None in names or "" in names:
        expected = "a label" if task.kind == "classification" else "a list of labels"
        raise UserError(
            f"{row.where}: expected {expected} under {column!r}, text or whole numbers; got {_short(value)}"
        )
    return names


def _name(value: object) -> str | None:
    if isinstance(value, bool):
        return str(value).lower()  # as JSON writes it
    return str(value).strip() if isinstance(value, str | int) else None


def _number(name: str, task: Task, where: str) -> int:
    if name not in task.labels:
        known = ", ".join(task.labels)[:300]
        raise UserError(
            f"{where}: expected a {task.columns[-1] if task.columns else 'tag'} that is in the training file, or in "
            f"own_tasks.{task.name}.labels: {known}; got {_short(name)}"
        )
    return task.labels.index(name)


def _tagged(row: Row, task: Task) -> dict:
    words, tags = row.cells[0], _names(row, task)
    words = words.split() if isinstance(words, str) else words
    if not isinstance(words, list) or not words or not all(isinstance(word, str) for word in words):
        raise UserError(f"{row.where}: expected a list of words under {task.columns[0]!r}, got {_short(words)}")
    if len(words) != len(tags):
        raise UserError(f"{row.where}: expected a tag for each of {len(words)} words, got {len(tags)}")
    return _known({"words": words, "tags": iob2(tags) if _of_entities(task.labels) else tags}, task, row.where)


def _known(found: dict, task: Task, where: str) -> dict:
    """The example, whose tags must be labels of the task."""
    for tag in found["tags"]:
        _number(tag, task, where)
    return found


def _of_entities(tags: Iterable[str]) -> bool:
    """Whether tags say where entities begin and go on, as B-PER and I-PER do."""
    return all(name == "O" or re.fullmatch(r"[BI]-.+", name) for name in tags)


def _short(value: object) -> str:
    return repr(value)[:60]


@contextmanager
def _readable(path: Path, task: Task) -> Iterator[None]:
    if not path.is_file():
        raise UserError(f"{path}: no such file; expected a file of own_tasks.{task.name} there")
    try:
        yield
    except UnicodeDecodeError as error:
        raise UserError(
            f"{path}: expected UTF-8, got {error.object[error.start : error.start + 1]!r}; convert it"
        ) from None
