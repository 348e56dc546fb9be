"""How large the corpus and the tasks are: counted where they are on disk and up to date, otherwise guessed.

A guess follows from the step before it by the ratios of `constants`.
"""

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatch
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from minimoe.corpus import dump
from minimoe.corpus.download import WIKIMEDIA
from minimoe.corpus.format import CHARACTER_LANGUAGES
from minimoe.corpus.forms import FORMS
from minimoe.corpus.sources import sources
from minimoe.corpus.transfer import length
from minimoe.params import Params
from minimoe.params.sections import Download
from minimoe.plan import constants
from minimoe.system.errors import UserError, readable
from minimoe.tasks.own import labelled, read_own
from minimoe.tasks.readers import read_official
from minimoe.tasks.task import OWN, Sizes, Split, Task

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
        what = {"wikipedia": source.wiki, "hub": source.hub}.get(source.source, source.source)
        raise UserError(f"corpus.download: the size of {what} is not known here; add --online to ask its server")
    packed = Amount(_served(source), COUNTED) if online else Amount(wiki.dump, GUESSED)
    if wiki:
        return packed, packed.times(wiki.text / wiki.dump), packed.times(wiki.articles / wiki.dump)
    ratio = constants.TEXT_OF_DUMP if form == "wikipedia" else constants.UNPACKED if form == "parquet" else 1
    return packed, packed.times(ratio), None


def _local(path: Path, form: str) -> tuple[Amount, Amount]:
    if form in constants.CORPORA and not path.exists():
        return (Amount(constants.CORPORA[form], GUESSED),) * 2
    if form != "wikipedia":
        if not path.exists():
            raise UserError(f"corpus.download.path: expected {form}'s files at {path}")
        files = sources(path, FORMS[form].suffixes)
        plain, packed = (
            sum(file.size for file in files if bool(file.packing or form == "parquet") == is_packed)
            for is_packed in (False, True)
        )
        text = Amount(plain + packed * constants.UNPACKED, GUESSED if packed else COUNTED)
        return Amount(size(path), COUNTED), text
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
    if source.source == "hub":
        return _served_by_the_hub(source)
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


def _served_by_the_hub(source: Download) -> int:
    """The sizes of a data set's files, as the hub tells them."""
    from huggingface_hub import HfApi

    with readable(f"corpus.download.hub: {source.hub} at {source.revision}", "check it, or plan without --online"):
        api = HfApi(os.environ.get("HF_ENDPOINT"))
        tree = api.list_repo_tree(source.hub, repo_type="dataset", revision=source.revision, recursive=True)
        sizes = [entry.size for entry in tree if hasattr(entry, "size") and fnmatch(entry.path, source.files)]
    if not sizes:
        raise UserError(f"corpus.download.files: expected a pattern for files of {source.hub}, got {source.files!r}")
    return sum(sizes)


def examples(name: str, params: Params, root: Path, done: set[str]) -> tuple[Sizes, str]:
    """The sets of a task, from its prepared files, its official ones or a table; and whether they were counted."""
    task = params.task(name)
    characters = 1.0 if params.corpus.language in CHARACTER_LANGUAGES else constants.CHARACTERS
    if "tasks" in done:
        prepared = root / "data/tasks" / name
        return _counted(task, characters, lambda split: _prepared(prepared / f"{split.name}.jsonl")), COUNTED
    if task.family == OWN:
        task, folder = labelled(task, root), root / task.folder
        return _counted(task, characters, lambda split: read_own(folder / split.file, task)), COUNTED
    source = dict(params.task_data)[task.family]
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
