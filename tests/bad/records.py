"""Sentences, the tokenizer, and records in both forms: bad input of the stage records and of those that read them."""

import json
import pickle
from pathlib import Path

import numpy as np
from bad.harm import GONE, Case, Harm, both, cut, drop, emptied, flip, folder, json_of, params, write
from tfrecord import TFRecordWriter

from minimoe.records.dataset import checksum
from minimoe.system.files import signed

SENTENCES, TOKENIZER, RECORDS = "data/formatted/00000.txt", "data/tokenizer/tokenizer.json", "data/records"
MANIFEST, SHARD, INDEX = f"{RECORDS}/manifest.json", f"{RECORDS}/00000.tfrecord", f"{RECORDS}/00000.npy"


def manifest(edits: dict[str, object]) -> Harm:
    """Values that are wrong, in a manifest that is not damaged."""
    return both(json_of(MANIFEST, {"crc32c": GONE, **edits}), json_of(MANIFEST, {}, signed))


def index(array: np.ndarray) -> Harm:
    """Another index, which the manifest says is right."""

    def harm(root: Path) -> None:
        np.save(root / INDEX, array, allow_pickle=True)
        of = {"bytes": (root / INDEX).stat().st_size, "crc32c": checksum(root / INDEX)}
        shards = json.loads((root / MANIFEST).read_text())["shards"]
        shards[0]["files"]["00000.npy"] = of
        manifest({"shards": shards})(root)

    return harm


def shifted(by: int) -> Harm:
    def harm(root: Path) -> None:
        array = np.load(root / INDEX)
        array["offset"] += by
        index(array)(root)

    return harm


def published(*examples: dict) -> Harm:
    """Records in the published form in place of ours."""

    def harm(root: Path) -> None:
        emptied(RECORDS)(root)
        writer = TFRecordWriter(str(root / SHARD))
        for example in examples:
            writer.write(example)
        writer.close()

    return harm


def ints(*values: int) -> tuple:
    return list(values), "int"


class Evil:
    """An object whose pickle makes a file when it is loaded."""

    def __reduce__(self):
        return open, ("ran", "w")


EVIL = pickle.dumps(Evil())
WHOLE = {"indices": ints(2, 7, 3, 8, 3), "segments": ints(0, 0, 0, 1, 1)}
CASES = {
    # the stage records
    "no sentences": Case("records", drop("data/formatted"), "data/formatted", "expected one sentence a line"),
    "an empty folder": Case("records", emptied("data/formatted"), "data/formatted", "expected one sentence a line"),
    "an empty file": Case("records", write(SENTENCES, ""), "data/formatted", "expected one sentence a line"),
    "blank lines": Case("records", write(SENTENCES, "\n\n\n"), "data/formatted", "expected one sentence a line"),
    "one document": Case("records", write(SENTENCES, "ba ba\n"), "data/formatted", "expected at least 4 documents"),
    "not UTF-8": Case("records", write(SENTENCES, b"ba\n\nba \xff\n"), SENTENCES, "not UTF-8"),
    "no tokenizer": Case("records", drop("data/tokenizer"), "data/tokenizer", "expected a Hugging Face tokenizer"),
    "an empty tokenizer folder": Case("records", emptied("data/tokenizer"), "data/tokenizer", "tokenizer stage again"),
    "a tokenizer that is no JSON": Case("records", write(TOKENIZER, "{"), "data/tokenizer", "tokenizer stage again"),
    "a cut tokenizer": Case("records", cut(TOKENIZER), "data/tokenizer", "tokenizer stage again"),
    "a tokenizer of another form": Case("records", write(TOKENIZER, '{"model": 3}'), "data/tokenizer", "stage again"),
    "a tokenizer that is a list": Case("records", write(TOKENIZER, "[1]"), "data/tokenizer", "tokenizer stage again"),
    "a tokenizer that is a folder": Case("records", folder(TOKENIZER), "data/tokenizer", "tokenizer stage again"),
    "a tokenizer without a vocabulary": Case(
        "records", json_of(TOKENIZER, {"model.vocab": GONE}), "data/tokenizer", "tokenizer stage again"
    ),
    "a config that is no JSON": Case(
        "records", write("data/tokenizer/tokenizer_config.json", "{"), "data/tokenizer", "tokenizer stage again"
    ),
    "a config that is a list": Case(
        "records", write("data/tokenizer/tokenizer_config.json", "[]"), "data/tokenizer", "tokenizer stage again"
    ),
    "a config without a mask token": Case(
        "records",
        json_of("data/tokenizer/tokenizer_config.json", {"mask_token": None}),
        "data/tokenizer",
        "no mask token",
    ),
    # our own form
    "no records": Case("distill base", drop(RECORDS), RECORDS, "expected manifest.json"),
    "no manifest": Case("distill base", drop(MANIFEST), MANIFEST, "make the records again"),
    "a manifest that is no JSON": Case("distill base", cut(MANIFEST), MANIFEST, "make the records again"),
    "a manifest that is a list": Case("distill base", write(MANIFEST, "[]"), MANIFEST, "make the records again"),
    "a manifest not in UTF-8": Case("distill base", write(MANIFEST, b"\xff"), MANIFEST, "make the records again"),
    "another version": Case("distill base", manifest({"version": 9}), MANIFEST, "make the records again"),
    **{
        f"a manifest without {key}": Case("distill base", manifest({key: GONE}), MANIFEST, "make the records again")
        for key in ("count", "max_length", "pad_id", "segments", "dtype", "shards")
    },
    "shards that are a number": Case("distill base", manifest({"shards": 3}), MANIFEST, "make the records again"),
    "no shards": Case("distill base", manifest({"shards": []}), MANIFEST, "make the records again"),
    "a shard without files": Case(
        "distill base", manifest({"shards.0.files": GONE}), MANIFEST, "make the records again"
    ),
    "ids of another type": Case("distill base", manifest({"dtype": "O"}), MANIFEST, "make the records again"),
    "ids of another width": Case("distill base", manifest({"dtype": "<u4"}), RECORDS, "make the records again"),
    "a file outside of the folder": Case(
        "distill base",
        manifest({"shards.0.files": {"../../params.yaml": {"bytes": 1, "crc32c": 1}}}),
        MANIFEST,
        "make the records again",
    ),
    "a count too high": Case("distill base", manifest({"count": 9999}), MANIFEST, "make the records again"),
    "no shard": Case("distill base", drop(SHARD), SHARD, "make the records again"),
    "a cut shard": Case("distill base", cut(SHARD, 1), SHARD, "make the records again"),
    "a flipped bit in a shard": Case("distill base", flip(SHARD), SHARD, "make the records again"),
    "no index": Case("distill base", drop(INDEX), INDEX, "make the records again"),
    "a flipped bit in an index": Case("distill base", flip(INDEX), INDEX, "make the records again"),
    "an index of objects": Case("distill base", index(np.array([Evil()])), INDEX, "make the records again"),
    "an index of numbers": Case("distill base", index(np.arange(255)), INDEX, "make the records again"),
    "an index beyond its shard": Case("distill base", shifted(1 << 20), INDEX, "make the records again"),
    "an index before its shard": Case("distill base", shifted(-(1 << 20)), INDEX, "make the records again"),
    # the published form
    "published: no frame": Case("distill base", both(emptied(RECORDS), write(SHARD, b"")), RECORDS, "expected"),
    "published: text": Case(
        "distill base", both(emptied(RECORDS), write(SHARD, "x" * 99)), SHARD, "copy the file again"
    ),
    "published: a pickle": Case(
        "distill base", both(emptied(RECORDS), write(SHARD, EVIL)), SHARD, "copy the file again"
    ),
    "published: cut": Case("distill base", both(published(*[WHOLE] * 40), cut(SHARD, 7)), SHARD, "copy the file again"),
    "published: a flipped bit": Case(
        "distill base", both(published(*[WHOLE] * 40), flip(SHARD)), SHARD, "copy the file"
    ),
    "published: another feature": Case(
        "distill base", published(*[{"image": (b"x", "byte")}] * 40), SHARD, "expected int64 lists"
    ),
    "published: segments too short": Case(
        "distill base", published(*[WHOLE | {"segments": ints(0)}] * 40), SHARD, "expected int64 lists"
    ),
    "published: a negative id": Case(
        "distill base", published(*[WHOLE | {"indices": ints(2, -7, 3, 8, 3)}] * 40), SHARD, "expected"
    ),
    "published: segments of another order": Case(
        "distill base", published(*[WHOLE | {"segments": ints(1, 1, 0, 0, 0)}] * 40), SHARD, "expected"
    ),
    "published: ids beyond the vocabulary": Case(
        "distill base", published(*[WHOLE | {"indices": ints(2, 30000, 3, 8, 3)}] * 40), RECORDS, "vocabulary"
    ),
    "published: longer than the teacher reads": Case(
        "distill base", published(*[{"indices": ints(*[7] * 40)}] * 40), "max_length", "expected at most 32"
    ),
    # records against settings
    "more measured than held out": Case(
        "distill base", params({"distill.heldout": 255}), "distill.heldout", "corpus.records.heldout"
    ),
    "published: all held out": Case(
        "distill base",
        both(published(*[WHOLE] * 40), params({"distill.heldout": 40})),
        "distill.heldout",
        "expected fewer than the 40",
    ),
    "a batch larger than what is left": Case(
        "distill base", params({"distill.batch": 100000}), "distill.batch", "expected"
    ),
    "a share of nothing": Case("sparsify teacher", params({"sparsify.share": 1e-6}), "sparsify.share", "raise it"),
}
