"""Split documents into sentences: one a line, a blank line after every document (BERT's pretraining format).

The files are split at document ends into chunks, workers convert the chunks, and the text is written in document order
to a few large files, so the bytes are the same for any number of workers.
"""

import html
import re
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

from sentencex import segment
from tqdm import tqdm

from minimoe.corpus.chunks import Chunk, chunks
from minimoe.corpus.parallel import in_order
from minimoe.corpus.sources import made_by_a_system
from minimoe.resume.outputs import adopt, resumable
from minimoe.resume.work import place
from minimoe.system.errors import UserError

# Languages written without spaces between words: a sentence's length is its characters.
CHARACTER_LANGUAGES = {
    "bo": "Tibetan",
    "dz": "Dzongkha",
    "gan": "Gan",
    "ja": "Japanese",
    "km": "Khmer",
    "lo": "Lao",
    "lzh": "Classical Chinese",
    "my": "Burmese",
    "th": "Thai",
    "wuu": "Wu",
    "yue": "Cantonese",
    "zh": "Chinese",
}
PART_BYTES = 1 << 28  # an output file is closed once it has this many bytes

_DOCUMENT = re.compile(r'<doc [^\n]*?title="([^\n]*)">\n(.*?)</doc>', re.DOTALL)
_ENDS = re.compile(r"(?<=[.!?;。！？；])")
_ENDS_AND_DOTS = re.compile(r"(?<=[.!?;。！？；])|(?<=……)")  # half as fast

Splitter = Callable[[str], Iterable[str]]


class Counts(NamedTuple):
    """Counts of what was kept. Length is in words, or in characters where words have no spaces between them."""

    documents: int = 0
    sentences: int = 0
    length: int = 0

    def plus(self, other: "Counts") -> "Counts":
        """The sum of both."""
        return Counts(*(mine + its for mine, its in zip(self, other, strict=True)))


def format_corpus(
    extracted: str | Path,
    formatted: str | Path,
    language: str,
    splitter: str,
    min_length: int,
    workers: int,
    work: Path | None = None,
    minutes: float = 10,
) -> Counts:
    """Write the documents below `extracted` (wikiextractor's output) as sentences to the folder `formatted`.

    A sentence is kept when it has more than `min_length` words, or characters in a language of
    `CHARACTER_LANGUAGES`; a document that keeps none vanishes. `splitter` is "sentencex" or "published".
    Progress is saved in the folder `work` (`minimoe.resume.work`) every so many `minutes`.
    Raises `UserError` when a file holds no documents or no sentence is kept.
    """
    found = sorted(path for path in Path(extracted).rglob("*") if path.is_file())
    paths = [path for path in found if not made_by_a_system(str(path.relative_to(extracted)))]
    pieces = list(chunks(paths, boundary=b"</doc>\n"))
    if not pieces:
        raise UserError(f"{extracted}: no text in it; expected wikiextractor's files such as AA/wiki_00")
    convert = partial(format_chunk, language=language, splitter=splitter, min_length=min_length)
    with place(work, formatted) as folder, resumable(folder, minutes) as output:
        done, part, counted = output.values.get("done", (0, 0, Counts()))
        total = Counts(*counted)
        results = in_order(convert, pieces[done:], workers)
        progress = tqdm(results, initial=done, total=len(pieces), desc="format", unit="piece")
        for number, (text, counts) in enumerate(progress, done + 1):
            total = total.plus(counts)
            with (output.folder / f"{part:05d}.txt").open("ab") as file:
                file.write(text.encode("utf-8"))
                part += file.tell() > PART_BYTES
            output.note({"done": [number, part, total]})
        if not total.sentences:
            raise UserError(
                f"{extracted}: no sentence has more than {min_length} {unit(language)}; "
                "check corpus.language and corpus.format.min_length"
            )
        adopt(sorted(output.folder.iterdir()), formatted)
    return total


def unit(language: str) -> str:
    """What the length of a sentence is counted in."""
    return "characters" if language in CHARACTER_LANGUAGES else "words"


def format_chunk(chunk: Chunk, language: str, splitter: str, min_length: int) -> tuple[str, Counts]:
    """One piece of an extracted file as sentences, with its counts."""
    text = chunk.read()
    if text.strip() and not _DOCUMENT.search(text):
        raise UserError(f"{chunk.path}: no '<doc … title=\"…\">' in it; expected wikiextractor's documents")
    if text.strip() and not text.rstrip().endswith("</doc>"):
        raise UserError(f"{chunk.path}: truncated, it does not end with </doc>; get or extract it again")
    length = _characters if language in CHARACTER_LANGUAGES else _words
    split = published if splitter == "published" else partial(segment, language)
    formatted, total = [], Counts()
    for body in bodies(text):
        lengths = [(sentence, length(sentence)) for sentence in sentences(body, split)]
        kept = [(sentence, count) for sentence, count in lengths if count > min_length]
        if kept:
            formatted.append("\n".join(sentence for sentence, _ in kept) + "\n\n")
            total = total.plus(Counts(1, len(kept), sum(count for _, count in kept)))
    return "".join(formatted), total


def bodies(text: str) -> Iterator[str]:
    """The text of each document, without its header and the title that wikiextractor repeats below it."""
    for title, body in _DOCUMENT.findall(text):
        yield body.removeprefix(f"{title}\n")


def sentences(body: str, split: Splitter) -> Iterator[str]:
    """The sentences of a document's text: entities resolved, every run of white space one space."""
    for paragraph in body.split("\n"):
        for sentence in split(html.unescape(paragraph)):
            if clean := " ".join(sentence.split()):
                yield clean


def published(text: str) -> list[str]:
    """The published rule: a cut after each of `. ! ? ;` and `。！？；……`, also within "3.5" and "U.S."."""
    return (_ENDS_AND_DOTS if "……" in text else _ENDS).split(text)


def _words(sentence: str) -> int:
    return sentence.count(" ") + 1


def _characters(sentence: str) -> int:
    return len(sentence) - sentence.count(" ")
