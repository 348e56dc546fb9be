"""Read official task files as examples in the normal form.

GLUE's TSVs quote nothing: a `"` is a character like any other, so lines are split at tabs and nothing else.
MRPC begins with a byte-order mark, CoLA has no header, and columns are found by name because their order
differs between the sets of one task. CoNLL-2003 is IOB1, where B- only separates neighbours of one type.
CLUE's files hold a JSON object a line; the keywords of CSL are a list there, and become one text.

The normal form of an example: {"text": str, "pair": str | None, "label": int | float} or
{"words": [str], "tags": [str]} with IOB2 tags.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path

from minimoe.system.errors import UserError
from minimoe.tasks.task import Task


def read_official(path: Path, task: Task) -> Iterator[dict]:
    """The examples of one official file of `task`; `UserError` names file, line and what was expected."""
    readers = {"glue": read_tsv, "conll2003": read_conll, "clue": read_json_lines}
    return readers[task.family](path, task)


def read_tsv(path: Path, task: Task) -> Iterator[dict]:
    """The examples of a GLUE TSV."""
    lines = _lines(path)
    header = task.header or tuple(next(lines, (0, ""))[1].split("\t"))
    missing = [column for column in task.columns if column not in header]
    if missing:
        raise UserError(
            f"{path}:1: no column {missing[0]!r}; expected {', '.join(task.columns)}; got {', '.join(header)}"
        )
    places = [header.index(column) for column in task.columns]
    cut = 0
    for number, line in lines:
        if not line:
            continue
        row = line.split("\t")
        if len(row) <= max(places) or any(row[len(header) :]):
            cut += 1
            if cut > task.cut_rows:
                column = next((c for c, place in zip(task.columns, places, strict=True) if place >= len(row)), None)
                expected = f"expected column {column!r}, one of" if column else "expected"
                raise UserError(f"{path}:{number}: {expected} {len(header)} separated by tabs; got {len(row)}")
            continue
        *texts, label = (row[place] for place in places)
        yield example(texts, _label(label, task, f"{path}:{number}"), f"{path}:{number}")
    if cut:
        print(f"{path}: left out {cut} rows that a line break or a tab cuts apart")


def read_json_lines(path: Path, task: Task) -> Iterator[dict]:
    """The examples of a file of CLUE."""
    for number, line in _lines(path):
        if not line:
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise UserError(f"{path}:{number}: expected a JSON object, got {line[:40]!r} ({error})") from None
        *columns, label = task.columns
        texts = [row.get(column) for column in columns] if isinstance(row, dict) else [None]
        if not all(isinstance(text, str | list) for text in texts):
            raise UserError(f"{path}:{number}: expected text under {', '.join(columns)}, got {line[:40]!r}")
        if row.get(label) != task.unlabelled:
            yield example(texts, _label(str(row.get(label)), task, f"{path}:{number}"), f"{path}:{number}")


def example(texts: list[str | list], label: int | float, where: str) -> dict:
    """A classification or regression example in the normal form; a list of words becomes one text.

    One text of a pair may be empty, as a few questions of QQP are; with no text at all it raises `UserError`.
    """
    texts = [text if isinstance(text, str) else " ".join(map(str, text)) for text in texts]
    if not any(text.strip() for text in texts):
        raise UserError(f"{where}: expected text, found none; fix or remove the example")
    return {"text": texts[0], "pair": texts[1] if len(texts) > 1 else None, "label": label}


def _label(text: str, task: Task, where: str) -> int | float:
    if task.graded:
        low, high = task.bounds
        try:
            value = float(text)
        except ValueError:
            value = float("nan")
        if not low <= value <= high:
            raise UserError(f"{where}: expected a {task.columns[-1]} from {low:g} to {high:g}, got {text!r}")
        return value
    written = task.written or task.labels
    if text not in written:
        raise UserError(f"{where}: expected a {task.columns[-1]} of {', '.join(written)}; got {text!r}")
    return written.index(text)


def read_conll(path: Path, task: Task) -> Iterator[dict]:
    """The sentences of a CoNLL-2003 file, in IOB1 or IOB2; document marks are no sentences."""
    words: list[str] = []
    tags: list[str] = []
    for number, line in _lines(path, end=True):
        if "\r" in line:
            raise UserError(f"{path}:{number}: expected lines that end with a line feed, got \\r alone; convert them")
        if line.strip():
            columns = re.split(r"[ \t]+", line.strip())
            if len(columns) < 2 or columns[-1] not in task.labels:
                tags_known = ", ".join(task.labels)
                raise UserError(
                    f"{path}:{number}: expected a word, other columns and a tag of {tags_known}; got {line!r}"
                )
            words.append(columns[0])
            tags.append(columns[-1])
        elif words:
            if words != ["-DOCSTART-"]:
                yield {"words": words, "tags": iob2(tags)}
            words, tags = [], []


def iob2(tags: list[str]) -> list[str]:
    """IOB1 → IOB2: the first tag of every entity becomes B-. IOB2 comes out as it went in."""
    previous = ["O", *tags]
    return [
        f"B-{tag[2:]}" if tag.startswith("I-") and before[2:] != tag[2:] else tag
        for before, tag in zip(previous, tags, strict=False)
    ]


def _lines(path: Path, end: bool = False) -> Iterator[tuple[int, str]]:
    """Numbered lines from 1, without line ends or a byte-order mark; with `end`, an empty one closes them."""
    try:
        # newline="\n": a lone carriage return is part of a text, not the end of a row
        with path.open(encoding="utf-8-sig", newline="\n") as file:
            number = 0
            for number, line in enumerate(file, start=1):
                yield number, line.rstrip("\r\n")
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
        raise UserError(f"{path}: no such file; put the official file there or set source: hub") from None
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: line {number + 1} or later: expected UTF-8, got {error.reason}") from None
    if end:
        yield number + 1, ""
