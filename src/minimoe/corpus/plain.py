"""Convert corpora that are documents already, CLUECorpusSmall and WuDao, to the format that wikiextractor writes.

- CLUECorpusSmall: `.txt` files, thousands of them in four archives (news2016zh_corpus.zip …): one sentence a line, a
  blank line between documents.
- WuDaoCorpora 2.0: `part-….json` files of some hundred megabytes, each one array of objects {"id", "uniqueKey",
  "titleUkey", "dataType", "title", "content"}; or one such object a line. Only title and content are used.

Files are read as streams, one document in memory at a time, and go to workers in groups that do not depend on the
number of workers.
"""

import html
import json
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from tqdm import tqdm

from minimoe.corpus.parallel import in_order
from minimoe.corpus.sources import Source, in_groups, sources
from minimoe.resume.outputs import ResumableOutput
from minimoe.system.errors import UserError

PART_BYTES = 1 << 26  # of the sources of an output file, at least
LONGEST = 1 << 26  # characters of an object
_BETWEEN = re.compile(r"[\s,]*")

Document = tuple[str, str]  # title, text


class Form(NamedTuple):
    """What a corpus's files are like."""

    suffixes: tuple[str, ...]
    read: Callable[[Iterable[str], str], Iterator[Document]]  # blocks of a file's text, its name → its documents


def write_documents(root: Path, form: str, output: ResumableOutput, workers: int) -> int:
    """Write the documents of the corpus `root`, of a form in `FORMS`, to files of `output`; returns how many.

    Raises `UserError` when there are none, and for a file that is damaged or of another form.
    """
    groups = list(in_groups(sources(root, FORMS[form].suffixes), PART_BYTES))
    done, total = output.values.get("done", (0, 0))
    tasks = ((groups[part], form, output.folder / f"{part:05d}") for part in range(done, len(groups)))
    results = in_order(_write, tasks, workers)
    sizes = [sum(source.size for source in group) for group in groups]
    with tqdm(desc="extract", initial=sum(sizes[:done]), total=sum(sizes), unit="B", unit_scale=True) as bar:
        for part, count in enumerate(results, done):
            total += count
            output.note({"done": [part + 1, total]})  # later files are written again
            bar.update(sizes[part])
    if not total:
        raise UserError(f"{root}: no document in it; expected {form}'s files, or another corpus.extract.form")
    return total


def _write(task: tuple[list[Source], str, Path]) -> int:
    """Write the documents of a group of sources of a form to a file; returns how many."""
    (group, form, path), count = task, 0
    # half a surrogate pair, which JSON can hold and UTF-8 cannot, becomes a question mark
    with path.open("w", encoding="utf-8", errors="replace", newline="\n") as file:
        for source in group:
            for title, text in FORMS[form].read(source.blocks(), source.name):
                count += 1
                title, text = html.escape(" ".join(title.split())), html.escape(text, quote=False)
                file.write(f'<doc id="{path.name}-{count}" url="" title="{title}">\n{title}\n\n{text}\n\n</doc>\n')
    return count


def cluecorpus(blocks: Iterable[str], name: str) -> Iterator[Document]:
    """The documents of a file of CLUECorpusSmall; they have no titles."""
    document: list[str] = []
    for line in _lines(blocks):
        if clean := line.strip():
            document.append(clean)
        elif document:
            yield "", "\n".join(document)
            document = []
    if document:
        yield "", "\n".join(document)


def _lines(blocks: Iterable[str]) -> Iterator[str]:
    rest = ""
    for block in blocks:
        *whole, rest = (rest + block).split("\n")
        yield from whole
    yield rest


def wudao(blocks: Iterable[str], name: str) -> Iterator[Document]:
    """The documents of a file of WuDao; `name` is for the error. Objects without content are left out."""
    for number, value in enumerate(_objects(blocks, name), start=1):
        title, content = value.get("title") or "", value.get("content")
        if not isinstance(title, str) or not isinstance(content, str):
            keys = ", ".join(value) or "nothing"
            raise UserError(f"{name}: object {number}: expected text under title and content; it has {keys}")
        if content.strip():
            yield title, content


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


FORMS = {"cluecorpus": Form((".txt",), cluecorpus), "wudao": Form((".json", ".jsonl"), wudao)}
