"""How large a corpus is at every step from the dump to the records.

A step that is on disk and up to date is counted; what follows is guessed from it by the ratios of `constants`.
"""

import json
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
from minimoe.plan.done import size
from minimoe.system.errors import UserError

COUNTED, GUESSED = "counted", "guessed"
FIRST_BLOCKS = 16  # of a local dump, 1 MiB each unpacked, that show how densely it is packed


class Known(NamedTuple):
    """A number, and whether it was counted or guessed."""

    value: float
    basis: str

    def times(self, ratio: float) -> "Known":
        """A guess from this number."""
        return Known(self.value * ratio, GUESSED)


@dataclass(frozen=True)
class Corpus:
    """Bytes of every step, and what they hold."""

    dump: Known
    extracted: Known
    formatted: Known
    documents: Known
    sentences: Known
    tokens: Known
    records: Known
    training: Known  # records of documents that are not held out
    record_bytes: Known


def measure(params: Params, root: Path, done: set[str], online: bool) -> Corpus:
    """The sizes for these params; `UserError` where nothing says how large the corpus is."""
    characters = params.corpus.language in CHARACTER_LANGUAGES

    def counted(stage: str, folder: str) -> Known | None:
        return Known(size(root / folder), COUNTED) if stage in done else None

    packed, text, articles = _source(params, root, online)
    packed = counted("download", "data/dump") or packed
    extracted = counted("extract", "data/extracted") or text
    formatted = counted("format", "data/formatted") or extracted.times(constants.FORMATTED)
    documents = articles or formatted.times(1 / constants.DOCUMENT)
    tokens = formatted.times(1 / (constants.CHINESE_TOKEN if characters else constants.TOKEN))
    sentences = formatted.times(1 / (constants.CHINESE_SENTENCE if characters else constants.SENTENCE))
    records = tokens.times(constants.FILLED / (params.corpus.records.max_length - 3))
    records = Known(records.value + documents.value, GUESSED)  # every document ends with one that is not full
    training = records.times(1 - params.corpus.records.heldout)
    if "records" in done:
        manifest = json.loads((root / "data/records/manifest.json").read_text(encoding="utf-8"))
        records = Known(manifest["count"], COUNTED)
        training = Known(manifest["count"] - manifest["heldout"], COUNTED)
    # two bytes a token, and a frame and a place in the index
    record_bytes = counted("records", "data/records") or records.times(2 * params.corpus.records.max_length + 60)
    return Corpus(packed, extracted, formatted, documents, sentences, tokens, records, training, record_bytes)


def _source(params: Params, root: Path, online: bool) -> tuple[Known, Known, Known | None]:
    """Bytes of the source as it is downloaded, bytes of its text, and documents where they are known."""
    source, form = params.corpus.download, params.corpus.extract.form
    if source.source == "local" or source.source.startswith("file://"):
        path = root / (source.path if source.source == "local" else source.source.removeprefix("file://"))
        return *_local(path, form), None
    wiki = constants.WIKIS.get(source.wiki) if source.source == "wikipedia" else None
    if not online and not wiki:
        what = source.wiki if source.source == "wikipedia" else source.source
        raise UserError(f"corpus.download: the size of {what} is not known here; add --online to ask its server")
    packed = Known(_served(source), COUNTED) if online else Known(wiki.dump, GUESSED)
    if wiki:
        return packed, packed.times(wiki.text / wiki.dump), packed.times(wiki.articles / wiki.dump)
    return packed, packed.times(constants.TEXT_OF_DUMP if form == "wikipedia" else 1), None


def _local(path: Path, form: str) -> tuple[Known, Known]:
    if form != "wikipedia":
        if not path.exists():
            return (Known(constants.CORPORA[form], GUESSED),) * 2
        files = sources(path, FORMS[form].suffixes)
        return Known(size(path), COUNTED), Known(sum(file.size for file in files), COUNTED)
    if path.is_dir():
        return (Known(size(path), COUNTED),) * 2
    if not path.is_file():
        raise UserError(f"corpus.download.path: expected a dump, or a folder of documents, at {path}")
    packed = Known(size(path), COUNTED)
    return packed, packed.times(_density(path) * constants.TEXT_OF_XML)


def _density(path: Path) -> float:
    """Unpacked bytes over packed ones, at the dump's beginning."""
    read: list[int] = []
    unpacked = sum(map(len, islice(dump.read(path, read.append), FIRST_BLOCKS)))
    return unpacked / max(1, sum(read))


def _served(source: Download) -> int:
    """The length that the server tells for the file."""
    url = source.source
    if url == "wikipedia":
        url = f"{WIKIMEDIA}/{source.wiki}/{source.date}/{source.wiki}-{source.date}-pages-articles.xml.bz2"
    try:
        told = length(url)
    except UserError as error:
        raise UserError(f"corpus.download: {error}; check it, or plan without --online") from None
    if not told:
        raise UserError(f"corpus.download: {url}: its server tells no length")
    return told
