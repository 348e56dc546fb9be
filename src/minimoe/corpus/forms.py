"""The forms of corpora that are documents already, and how the documents of a file of each are read.

- text: `.txt` files. What ends a document, a blank line, a line end or the end of the file, says
  `corpus.extract.document_end`.
- jsonl: a JSON object a line, whose text is under the key `corpus.extract.field`.
- parquet: a document a row, whose text is in the column `corpus.extract.field`.
- CLUECorpusSmall: `.txt` files, thousands of them in four archives (news2016zh_corpus.zip …): one sentence a line, a
  blank line between documents.
- WuDaoCorpora 2.0: `part-….json` files of some hundred megabytes, each one array of objects {"id", "uniqueKey",
  "titleUkey", "dataType", "title", "content"}; or one such object a line. Only title and content are used.

Documents without text are left out; text that is not UTF-8 is an error.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator
from itertools import groupby
from typing import NamedTuple

from minimoe.corpus.sources import Source
from minimoe.system.errors import UserError, readable

LONGEST = 1 << 26  # characters of a document, an object or a line; later stages hold a document in memory
ROWS = 100  # of a parquet file in memory at once
_BETWEEN = re.compile(r"[\s,]*")

Document = tuple[str, Iterable[str]]  # its title, and its text in pieces, such as lines, that a line break parts


class Reading(NamedTuple):
    """How a corpus is read, as by `corpus.extract`."""

    form: str  # of `FORMS`
    field: str = ""  # jsonl, parquet: the key or column of the text
    document_end: str = ""  # text: blank_line, line or file


class Form(NamedTuple):
    """What a corpus's files are like."""

    suffixes: tuple[str, ...]
    read: Callable[[Source, Reading], Iterator[Document]]


def limited(lines: Iterable[str], where: str) -> Iterator[str]:
    """The lines of a document; `UserError` where they are longer than any document is."""
    length = 0
    for line in lines:
        length += len(line)
        if length > LONGEST:
            raise UserError(
                f"{where}: no end of it in {LONGEST:,} characters; cut it up, or set corpus.extract.document_end"
            )
        yield line


def text(source: Source, reading: Reading) -> Iterator[Document]:
    """The documents of a file of text; they have no titles."""
    lines = _lines(source)
    if reading.document_end == "line":
        yield from (("", [line]) for line in lines if line.strip())
    elif reading.document_end == "file":
        yield from _between_blank_lines(line for line in lines if line.strip())
    else:
        yield from _between_blank_lines(lines)


def cluecorpus(source: Source, _reading: Reading) -> Iterator[Document]:
    """The documents of a file of CLUECorpusSmall, whose lines may be indented."""
    yield from _between_blank_lines(map(str.strip, _lines(source)))


def _between_blank_lines(lines: Iterable[str]) -> Iterator[Document]:
    groups = groupby(lines, lambda line: bool(line.strip()))
    yield from (("", document) for filled, document in groups if filled)


def _lines(source: Source) -> Iterator[str]:
    """The lines of a file, without what ends them: a line feed, or a carriage return before it."""
    rest, number = "", 1
    for block in source.blocks():
        *whole, rest = (rest + block).split("\n")
        yield from (line.removesuffix("\r") for line in whole)
        number += len(whole)
        if len(rest) > LONGEST:
            raise UserError(f"{source.name}:{number}: no end of the line in {LONGEST:,} characters; break it")
    yield rest


def jsonl(source: Source, reading: Reading) -> Iterator[Document]:
    """The documents of a file of JSON lines."""
    for number, line in enumerate(_lines(source), start=1):
        if not line.strip():
            continue
        try:
            value = json.loads(line)
        except (ValueError, RecursionError) as error:
            where = f"{source.name}:{number}"
            raise UserError(f"{where}: expected a JSON object, got {line[:40]!r} ({error})") from None
        found = value.get(reading.field) if isinstance(value, dict) else None
        if not isinstance(found, str):
            keys = (", ".join(value) if isinstance(value, dict) else "") or "no keys"
            raise UserError(
                f"{source.name}:{number}: expected text under {reading.field!r}, as by corpus.extract.field; "
                f"the line has {keys[:200]}"
            )
        if found.strip():
            yield "", [found]


def parquet(source: Source, reading: Reading) -> Iterator[Document]:
    """The documents of a parquet file."""
    import pyarrow
    from pyarrow.parquet import ParquetFile

    if source.member or source.packing:
        raise UserError(f"{source.name}: a parquet file cannot be read as it is packed; unpack it")
    name, field, number = source.path, reading.field, 0
    with readable(f"{name}: damaged, truncated or not parquet", "get it again"), ParquetFile(name) as file:
        columns = {column.name: column.type for column in file.schema_arrow}
        kind = columns.get(field)
        if kind not in (pyarrow.string(), pyarrow.large_string(), pyarrow.string_view()):
            got = f"it holds {kind}" if kind else f"the file has {', '.join(columns)[:200] or 'none'}"
            raise UserError(f"{name}: expected a column {field!r} of text, as by corpus.extract.field; {got}")
        for group in range(file.num_row_groups):  # of all at once, those that were read would stay in memory
            for batch in file.iter_batches(ROWS, [group], [field], use_threads=False):
                for value in batch.column(0).cast(pyarrow.large_binary()).to_pylist():
                    number += 1
                    yield from _cell(value, f"{name}: row {number}", field)


def _cell(value: bytes | None, where: str, field: str) -> Iterator[Document]:
    if value is None:
        raise UserError(f"{where}: expected text in the column {field!r}, found none; fill or remove the row")
    try:
        found = value.decode()
    except UnicodeDecodeError as error:
        raise UserError(f"{where}: not UTF-8 at byte {error.start} of the column {field!r}") from None
    if found.strip():
        yield "", [found]


def wudao(source: Source, _reading: Reading) -> Iterator[Document]:
    """The documents of a file of WuDao. Objects without content are left out."""
    for number, value in enumerate(_objects(source.blocks(), source.name), start=1):
        title, content = value.get("title") or "", value.get("content")
        if not isinstance(title, str) or not isinstance(content, str):
            keys = ", ".join(value) or "nothing"
            raise UserError(f"{source.name}: object {number}: expected text under title and content; it has {keys}")
        if content.strip():
            yield title, [content]


def _objects(blocks: Iterable[str], name: str) -> Iterator[dict]:
    """The objects of one JSON array, or of JSON lines; `UserError` where it is neither, or truncated."""
    decode = json.JSONDecoder().raw_decode
    rest, closing, number = "", None, 0
    for block in blocks:
        rest += block
        if closing is None and rest.strip():
            rest = rest.lstrip()
            closing = "]" if rest[0] == "[" else ""
            rest = rest[len(closing) :]
        at = _BETWEEN.match(rest).end()
        while rest.startswith("{", at):
            try:
                value, end = decode(rest, at)
            except (ValueError, RecursionError) as error:
                _wait_or_fail(error, rest, f"{name}: object {number + 1}")
                break
            number += 1
            yield value
            at = _BETWEEN.match(rest, end).end()
        rest = rest[at:]
        if rest.strip() not in ("", closing) and not rest.startswith("{"):
            break
    if rest.strip() != (closing or ""):
        raise UserError(
            f"{name}: expected an array of JSON objects, or one a line; after {number} of them "
            + (f"got {rest[:20]!r}" if rest else "it is truncated")
        )


def _wait_or_fail(error: Exception, text: str, where: str) -> None:
    """Fail unless `error` is that `text` ends within an object, which the next block may complete."""
    unfinished = isinstance(error, json.JSONDecodeError) and (
        error.msg.startswith("Unterminated string") or error.pos > len(text) - 8
    )
    if not unfinished or len(text) > LONGEST:
        reason = getattr(error, "msg", error) if not unfinished else f"no end of it in {LONGEST:,} characters"
        raise UserError(f"{where}: not JSON: {reason}")


FORMS = {
    "text": Form((".txt",), text),
    "jsonl": Form((".jsonl", ".ndjson", ".json"), jsonl),
    "parquet": Form((".parquet",), parquet),
    "cluecorpus": Form((".txt",), cluecorpus),
    "wudao": Form((".json", ".jsonl"), wudao),
}
