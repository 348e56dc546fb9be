"""Build records from sentences: pairs of token ids in TFRecord shards, with an index and a manifest.

Whole documents are held out of training (`holdout`). Their records come last, in shards of their own.

There are two passes, each in parallel and each in document order, so the bytes are the same for any number of workers.
The first tokenizes the corpus into one long row of ids in a temporary file (`tokenize`); the second draws every
document's pairs from that row (`pairs`) and writes them as frames (`tfrecord`). Both read through memory maps, because
the B of a pair can come from any document and the corpus does not fit into memory.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterator
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
from tokenizers import Tokenizer
from tqdm import tqdm

from minimoe.corpus.holdout import FEWEST, hold_out
from minimoe.corpus.pairs import generator, pairs
from minimoe.corpus.parallel import in_order
from minimoe.corpus.tfrecord import IDS_AT, frame
from minimoe.corpus.tokenize import SPECIAL, Template, TokenizedCorpus, encoder_tokenizer, pair_template, tokenize
from minimoe.records.dataset import INDEX
from minimoe.records.manifest import MANIFEST, VERSION
from minimoe.resume.outputs import ResumableOutput, adopt, resumable
from minimoe.resume.work import place
from minimoe.system.errors import UserError
from minimoe.system.files import checksum, signed, write_json

TASK_TOKENS = 1 << 18  # a task is the documents of about so many tokens; of the maps it touches some 100 MB at most


class Recipe(NamedTuple):
    """Settings that a document's records depend on, besides the corpus."""

    template: Template
    budget: int  # the most tokens of A and B together
    short_probability: float
    heldout: float  # share of documents
    seed: int


def build_records(
    formatted: str | Path,
    tokenizer: str | Path,
    records: str | Path,
    max_length: int,
    short_probability: float,
    shard_records: int,
    heldout: float,
    seed: int,
    workers: int,
    work: Path | None = None,
    minutes: float = 10,
) -> dict:
    """Write the sentences in `formatted` as records to the folder `records`; returns the manifest.

    `tokenizer` is a Hugging Face tokenizer folder. `max_length` is the most tokens of a record, special ones
    included, `short_probability` the share of documents that aim at shorter ones, `shard_records` the records in a
    file, `heldout` the share of documents held out of training. Progress is saved in the folder `work`
    (`minimoe.resume.work`) every so many `minutes`.
    Raises `UserError` when there are fewer than four documents or the tokenizer is not an encoder's.
    """
    paths = sorted(Path(formatted).glob("*.txt"))
    if not paths:
        raise UserError(
            f"{formatted}: no .txt file in it; expected one sentence a line, a blank line between documents"
        )
    hugging_face = encoder_tokenizer(tokenizer)
    backend = Tokenizer.from_str(hugging_face.backend_tokenizer.to_str())
    backend.no_truncation()  # a tokenizer.json can ask for both
    backend.no_padding()
    template = pair_template(backend, tokenizer)
    dtype = "<u2" if len(hugging_face) <= 1 << 16 else "<u4"
    with place(work, records) as folder:
        backend.save(str(folder / "tokenizer.json"))
        with resumable(folder / "tokens", minutes) as tokens:
            corpus = tokenize(paths, folder / "tokenizer.json", dtype, tokens, workers)
        if len(corpus.documents) - 1 < 2 * FEWEST:
            raise UserError(
                f"{formatted}: expected at least {2 * FEWEST} documents, half of them to hold out, as half of the "
                f"pairs take their B from another document; got {len(corpus.documents) - 1}"
            )
        recipe = Recipe(template, max_length - template.tokens, short_probability, heldout, seed)
        spans = _spans(corpus, recipe)
        made = partial(_made, spans, tokens.folder, dtype, recipe, workers)
        with resumable(folder / "shards", minutes) as output:
            shards = write_shards(output, made, shard_records, sum(not span.heldout for span in spans))
        manifest = {
            "version": VERSION,
            "count": sum(shard["count"] for shard in shards),
            "heldout": sum(shard["count"] for shard in shards if shard["heldout"]),
            "max_length": max_length,
            "vocabulary": len(hugging_face),
            **{f"{name}_id": getattr(hugging_face, f"{name}_token_id") for name in SPECIAL},
            "segments": template.segments,
            "dtype": dtype,
            "seed": seed,
            "shards": shards,
        }
        write_json(folder / MANIFEST, signed(manifest))
        adopt([folder / MANIFEST, *sorted(output.folder.iterdir())], records)
    return manifest


class Span(NamedTuple):
    """Documents whose records one task makes: a range of positions in their part of the corpus."""

    heldout: bool
    start: int
    end: int


def _spans(corpus: TokenizedCorpus, recipe: Recipe) -> list[Span]:
    """Split all documents, those to train on first, into tasks of about as many tokens."""
    starts, documents = memoryview(corpus.starts), memoryview(corpus.documents)
    count, spans = len(documents) - 1, []
    for heldout, part in enumerate(hold_out(count, recipe.heldout, recipe.seed)):
        step = TASK_TOKENS * count // len(part)
        limits = range(0, starts[-1] + step, step)
        edges = {bisect_left(part, token, key=lambda document: starts[documents[document]]) for token in limits}
        spans += [Span(bool(heldout), start, end) for start, end in pairwise(sorted(edges))]
    return spans


def _made(spans: list[Span], folder: Path, dtype: str, recipe: Recipe, workers: int, done: int) -> Iterator:
    """Run `build_part` on the spans after the first `done`, in parallel; results come in order."""
    results = in_order(partial(build_part, folder=folder, dtype=dtype, recipe=recipe), spans[done:], workers)
    sizes = [span.end - span.start for span in spans]
    with tqdm(desc="records", initial=sum(sizes[:done]), total=sum(sizes), unit="doc", unit_scale=True) as progress:
        for size, result in zip(sizes[done:], results, strict=True):
            yield result
            progress.update(size)


def build_part(span: Span, folder: Path, dtype: str, recipe: Recipe) -> tuple[bytes, np.ndarray]:
    """The records of the documents of a span as TFRecord frames, and their index."""
    corpus = TokenizedCorpus.open(folder, dtype)
    width = corpus.tokens.itemsize
    # memory views give plain integers and bytes, several times as fast as arrays do
    tokens = memoryview(corpus.tokens).cast("B")
    starts, documents = memoryview(corpus.starts), memoryview(corpus.documents)
    part = hold_out(len(documents) - 1, recipe.heldout, recipe.seed)[span.heldout]
    before, between, after = (np.array(ids, dtype).tobytes() for ids in recipe.template[:3])
    special = len(recipe.template.before) + len(recipe.template.between)
    frames, index, offset = [], [], IDS_AT
    for at in range(span.start, span.end):
        rng = generator(recipe.seed, part[at])
        for a, b in pairs(at, part, starts, documents, recipe.budget, recipe.short_probability, rng):
            side_a, side_b = (tokens[start * width : end * width] for start, end in (a, b))
            ids = b"".join((before, side_a, between, side_b, after))
            first = special + a[1] - a[0]
            frames.append(frame(ids, first))
            index.append((offset, len(ids) // width, first))
            offset += len(frames[-1])
    return b"".join(frames), np.array(index, INDEX)


def write_shards(output: ResumableOutput, parts: Callable[[int], Iterator], limit: int, training: int) -> list[dict]:
    """Write frames and their indices as shards of `limit` records; returns the manifest's entry of each.

    An unfinished shard is started over. Progress is the finished shards, the part that the last of them ends in, and
    how many of its records are used. `parts(n)` gives the parts without the first n. The first `training`
    parts are trained on, the others are held out, and no shard holds records of both.
    """
    first, used, shards = output.values.get("done", (0, 0, []))
    rows = []

    def close(heldout: bool, part: int, used: int) -> None:
        shards.append(_finish(output.folder, len(shards), rows) | {"heldout": heldout})
        rows.clear()
        output.note({"done": [part, used, shards]})

    number = first
    for number, (frames, index) in enumerate(parts(first), first):
        if rows and number == training:
            close(False, number, 0)
        frames, index = _without(frames, index, used)
        while len(index):
            room = limit - sum(map(len, rows))
            end = int(index["offset"][room]) - IDS_AT if room < len(index) else len(frames)
            with (output.folder / f"{len(shards):05d}.tfrecord").open("ab") as file:
                rows.append(_shifted(index[:room], file.tell()))
                file.write(frames[:end])
            frames, index = _without(frames, index, room)
            used += len(rows[-1])
            if sum(map(len, rows)) == limit:
                close(number >= training, number, used)
        used = 0
    if rows:
        close(number >= training, number + 1, 0)
    return shards


def _without(frames: bytes, index: np.ndarray, count: int) -> tuple[bytes, np.ndarray]:
    """Frames and their index without the first `count` records."""
    if count >= len(index):
        return b"", index[:0]
    start = int(index["offset"][count]) - IDS_AT
    return frames[start:], _shifted(index[count:], -start)


def _shifted(index: np.ndarray, by: int) -> np.ndarray:
    """The index of frames that lie `by` bytes further on."""
    shifted = index.copy()
    shifted["offset"] += by
    return shifted


def _finish(folder: Path, number: int, rows: list[np.ndarray]) -> dict:
    """Write a shard's index; its entry in the manifest."""
    np.save(folder / f"{number:05d}.npy", np.concatenate(rows))
    names = (f"{number:05d}.tfrecord", f"{number:05d}.npy")
    files = {name: {"bytes": (folder / name).stat().st_size, "crc32c": checksum(folder / name)} for name in names}
    return {"count": sum(map(len, rows)), "files": files}
