"""How large the corpus and the tasks are: counted where they are on disk and up to date, otherwise guessed.

A guess follows from the step before it by the ratios of `constants`.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from minimoe.corpus import dump
from minimoe.corpus.download import WIKIMEDIA
from minimoe.corpus.format import CHARACTER_LANGUAGES
from minimoe.corpus.plain import FORMS
from minimoe.corpus.sources import sources
from minimoe.corpus.transfer import length
from minimoe.params import Params
from minimoe.params.sections import Download
from minimoe.plan import constants
from minimoe.system.errors import UserError
from minimoe.tasks.readers import read_official
from minimoe.tasks.table import TASKS
from minimoe.tasks.task import Sizes, Split, Task

COUNTED, GUESSED = "counted", "guessed"
FIRST_BLOCKS = 16  # of a local dump, 1 MiB each unpacked, that show how densely it is packed


class Amount(NamedTuple):
    """A number, and whether it was counted or guessed."""

    value: float
    basis: str

    def times(self, ratio: float) -> "Amount":
        """A guess from this number."""
        return Amount(self.value * ratio, GUESSED)


@dataclass(frozen=True)
class CorpusSizes:
    """Bytes after every step, and what they hold."""

    dump: Amount
    extracted: Amount
    formatted: Amount
    documents: Amount
    sentences: Amount
    tokens: Amount
    records: Amount
    training: Amount  # records of documents that are not held out
    record_bytes: Amount


def corpus(params: Params, root: Path, done: set[str], online: bool) -> CorpusSizes:
    """The sizes for these params; `UserError` where nothing says how large the corpus is."""
    characters = params.corpus.language in CHARACTER_LANGUAGES

    def counted(stage: str, folder: str) -> Amount | None:
        return Amount(size(root / folder), COUNTED) if stage in done else None

    packed, text, articles = _source(params, root, online)
    packed = counted("download", "data/dump") or packed
    extracted = counted("extract", "data/extracted") or text
    formatted = counted("format", "data/formatted") or extracted.times(constants.FORMATTED)
    documents = articles or formatted.times(1 / constants.DOCUMENT)
    tokens = formatted.times(1 / (constants.CHINESE_TOKEN if characters else constants.TOKEN))
    sentences = formatted.times(1 / (constants.CHINESE_SENTENCE if characters else constants.SENTENCE))
    records = tokens.times(constants.FILLED / (params.corpus.records.max_length - 3))
    records = Amount(records.value + documents.value, GUESSED)  # every document ends with one that is not full
    training = records.times(1 - params.corpus.records.heldout)
    if "records" in done:
        manifest = json.loads((root / "data/records/manifest.json").read_text(encoding="utf-8"))
        records = Amount(manifest["count"], COUNTED)
        training = Amount(manifest["count"] - manifest["heldout"], COUNTED)
    # two bytes a token, and a frame and a place in the index
    record_bytes = counted("records", "data/records") or records.times(2 * params.corpus.records.max_length + 60)
    return CorpusSizes(packed, extracted, formatted, documents, sentences, tokens, records, training, record_bytes)


def size(path: Path) -> int:
    """Bytes of a file, or of all files below a folder."""
    files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
    return sum(file.stat().st_size for file in files)


def _source(params: Params, root: Path, online: bool) -> tuple[Amount, Amount, Amount | None]:
    """Bytes of the source as it is downloaded, bytes of its text, and documents where they are known."""
    source, form = params.corpus.download, params.corpus.extract.form
    if source.source == "local" or source.source.startswith("file://"):
        path = root / (source.path if source.source == "local" else source.source.removeprefix("file://"))
        return *_local(path, form), None
    wiki = constants.WIKIS.get(source.wiki) if source.source == "wikipedia" else None
    if not online and not wiki:
        what = source.wiki if source.source == "wikipedia" else source.source
        raise UserError(f"corpus.download: the size of {what} is not known here; add --online to ask its server")
    packed = Amount(_served(source), COUNTED) if online else Amount(wiki.dump, GUESSED)
    if wiki:
        return packed, packed.times(wiki.text / wiki.dump), packed.times(wiki.articles / wiki.dump)
    return packed, packed.times(constants.TEXT_OF_DUMP if form == "wikipedia" else 1), None


def _local(path: Path, form: str) -> tuple[Amount, Amount]:
    if form != "wikipedia":
        if not path.exists():
            return (Amount(constants.CORPORA[form], GUESSED),) * 2
        files = sources(path, FORMS[form].suffixes)
        return Amount(size(path), COUNTED), Amount(sum(file.size for file in files), COUNTED)
    if path.is_dir():
        return (Amount(size(path), COUNTED),) * 2
    if not path.is_file():
        raise UserError(f"corpus.download.path: expected a dump, or a folder of documents, at {path}")
    read: list[int] = []
    unpacked = sum(map(len, islice(dump.read(path, read.append), FIRST_BLOCKS)))
    packed = Amount(size(path), COUNTED)
    return packed, packed.times(unpacked / max(1, sum(read)) * constants.TEXT_OF_XML)


def _served(source: Download) -> int:
    """The length of the file, as its server tells it."""
    url = source.source
    if url == "wikipedia":
        url = f"{WIKIMEDIA}/{source.wiki}/{source.date}/{source.wiki}-{source.date}-pages-articles.xml.bz2"
    try:
        told = length(url)
    except UserError as error:
        raise UserError(f"corpus.download: {error}; check it, or plan without --online") from None
    if not told:
        raise UserError(f"corpus.download: {url}: its server does not tell the length")
    return told


def examples(name: str, params: Params, root: Path, done: set[str]) -> tuple[Sizes, str]:
    """The sets of a task, from its prepared files, its official ones or a table; and whether they were counted."""
    task, source = TASKS[name], dict(params.task_data)[TASKS[name].family]
    characters = 1.0 if params.corpus.language in CHARACTER_LANGUAGES else constants.CHARACTERS
    if "tasks" in done:
        prepared = root / "data/tasks" / name
        return _counted(task, characters, lambda split: _prepared(prepared / f"{split.name}.jsonl")), COUNTED
    if source.source == "local":
        folder = root / source.path / task.folder
        return _counted(task, characters, lambda split: read_official(folder / split.file, task)), COUNTED
    return task.sizes, GUESSED


def _counted(task: Task, characters: float, read: Callable[[Split], Iterator[dict]]) -> Sizes:
    train = scored = letters = 0
    for split in task.splits:
        for example in read(split):
            train += split.suffix is None
            scored += split.suffix is not None
            letters += sum(map(len, example.get("words") or (example["text"], example.get("pair") or "")))
    return Sizes(train, scored, letters / characters / (train + scored) + 3)  # and the special tokens


def _prepared(path: Path) -> Iterator[dict]:
    with path.open(encoding="utf-8") as file:
        yield from map(json.loads, file)
