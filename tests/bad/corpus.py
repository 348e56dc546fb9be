"""Dumps, documents, sentences: bad input of the stages download, extract and format."""

import bz2
import gzip
import json
import lzma
import os
import zipfile
from pathlib import Path

import pyarrow
from bad.harm import Case, Harm, both, cut, drop, emptied, params, write
from corpus.tiny_dump import dump
from pyarrow import parquet

DUMP, DOCUMENTS, SENTENCES = "data/dump/dump.xml", "data/extracted/AA/wiki_00", "data/formatted/00000.txt"


def source(value: str) -> Harm:
    return params({"corpus.download.source": value})


def path(value: str) -> Harm:
    return params({"corpus.download.path": value})


def corpus(form: str, name: str, content: str | bytes) -> Harm:
    """A corpus in place of the dump."""
    return both(drop("data/dump"), write(f"data/dump/corpus/{name}", content), params({"corpus.extract.form": form}))


def archive(form: str, members: dict[str, str]) -> Harm:
    def harm(root: Path) -> None:
        corpus(form, "a.zip", b"")(root)
        with zipfile.ZipFile(root / "data/dump/corpus/a.zip", "w", zipfile.ZIP_DEFLATED) as file:
            for name, text in members.items():
                file.writestr(name, text)

    return harm


def twins(name: str) -> Harm:
    """An archive that has a file of this name in a folder twice, of which a reader by name sees the last alone."""

    def harm(root: Path) -> None:
        archive("cluecorpus", {f"a/{name}": "x\n", f"b/{name}": "x\n", f"c/{name}": "x\n"})(root)
        path = root / "data/dump/corpus/a.zip"
        path.write_bytes(path.read_bytes().replace(b"c/" + name.encode(), b"b/" + name.encode()))

    return harm


def table(columns: dict) -> bytes:
    """A parquet file."""
    out = pyarrow.BufferOutputStream()
    parquet.write_table(pyarrow.table(columns), out)
    return out.getvalue().to_pybytes()


def dangling(name: str) -> Harm:
    return lambda root: (root / name).symlink_to("nowhere")


def fifo(name: str) -> Harm:
    return lambda root: os.mkfifo(root / name)


WUDAO = json.dumps([{"title": "题", "content": "一"}, {"title": "题", "content": "二"}])
TEXT = "".join(f"Sentence {number} of the text.\n" for number in range(999)).encode()
ZSTD = pyarrow.compress(TEXT, "zstd", asbytes=True)
BROKEN = table({"text": pyarrow.array([b"x", b"\xff"]).view(pyarrow.string())})
DOCUMENT = '<doc id="1" url="" title="A">\nA\n\nText of it.\n</doc>\n'

CASES = {
    # download
    "no dump": Case("download", path("nowhere.xml"), "nowhere.xml", "expected a dump at corpus.download.path"),
    "a dump that is a device": Case("download", path("/dev/null"), "/dev/null", "expected a dump"),
    "the folder itself": Case("download", path("."), "corpus.download.path", "expected"),
    "the folder above it": Case("download", path(".."), "corpus.download.path", "expected"),
    "the whole disk": Case("download", path("/"), "corpus.download.path", "expected"),
    "the whole disk by address": Case("download", source("file:///"), "corpus.download", "expected"),
    "a dump with a dead link beside it": Case(
        "download", both(dangling("given/glue/dead"), path("given/glue")), "given/glue/dead", "remove"
    ),
    "a pipe among the files": Case(
        "download", both(fifo("given/glue/pipe"), path("given/glue")), "given/glue/pipe", "remove"
    ),
    "an empty folder": Case(
        "download", both(lambda root: (root / "empty").mkdir(), path("empty")), "empty", "expected"
    ),
    "another scheme": Case("download", source("ftp://a/b.xml"), "corpus.download.source", "expected local"),
    "a scheme in disguise": Case("download", source("jar:file:///a"), "corpus.download.source", "expected local"),
    "an address without a file": Case("download", source("https://a/"), "corpus.download.source", "expected"),
    "an address that leaves its folder": Case(
        "download", source("https://a/%2e%2e"), "corpus.download.source", "expected"
    ),
    "an address with a folder in its name": Case(
        "download", source("https://a/..%2f..%2fb"), "corpus.download.source", "expected"
    ),
    "a host that is a name of another": Case("download", source("file://host/b"), "corpus.download.source", "expected"),
    "an address with a line end": Case("download", source("https://a/b\nc"), "corpus.download.source", "expected"),
    "a port that is none": Case("download", source("http://127.0.0.1:x/a.xml"), "http://127.0.0.1:x", "address"),
    "a missing file by address": Case("download", source("file:///nowhere/a.xml"), "/nowhere/a.xml", "expected a dump"),
    # extract: a wiki's dump
    "no dump folder": Case("extract", drop("data/dump"), "data/dump", "run the download stage"),
    "two dumps": Case("extract", write("data/dump/b.xml", dump(1)), "data/dump", "run the download stage"),
    "an empty dump folder": Case("extract", emptied("data/dump"), "data/dump", "run the download stage"),
    "an empty dump": Case("extract", write(DUMP, b""), DUMP, "get the dump again"),
    "a web page": Case("extract", write(DUMP, "<html>404</html>"), DUMP, "not a MediaWiki dump"),
    "a cut dump": Case("extract", cut(DUMP), DUMP, "get the dump again"),
    "a cut bz2": Case("extract", write(DUMP, bz2.compress(dump(400))[:5000]), DUMP, "get the dump again"),
    "something after a bz2": Case("extract", write(DUMP, bz2.compress(dump(40)) + b"<html>" * 9), DUMP, "else follows"),
    "a byte after a bz2": Case("extract", write(DUMP, bz2.compress(dump(40)) + b"\0"), DUMP, "else follows"),
    "a cut bz2 after a whole one": Case(
        "extract", write(DUMP, bz2.compress(dump(40)) + bz2.compress(dump(40))[:99]), DUMP, "get the dump again"
    ),
    "something after a gzip": Case("extract", write(DUMP, gzip.compress(dump(40)) + b"<html>"), DUMP, "get the dump"),
    "a cut gzip": Case("extract", write(DUMP, gzip.compress(dump(400))[:1000]), DUMP, "get the dump again"),
    "zeros": Case("extract", write(DUMP, bytes(5000)), DUMP, "not a MediaWiki dump"),
    "no article": Case("extract", write(DUMP, dump(0)), DUMP, "expected pages"),
    "a page without its end": Case("extract", write(DUMP, dump(2).replace(b"</page>", b"")), DUMP, "expected pages"),
    "bytes that are no text": Case("extract", write(DUMP, dump().replace(b"Person", b"\xff")), DUMP, "codec"),
    "a pickle": Case("extract", write(DUMP, b"\x80\x04cos\nsystem\n."), DUMP, "not a MediaWiki dump"),
    "a folder without documents": Case(
        "extract", both(drop("data/dump"), write("data/dump/wiki/a.txt", "x\n")), "data/dump/wiki", "expected"
    ),
    # extract: corpora of other forms
    "the wrong form": Case("extract", params({"corpus.extract.form": "wudao"}), "data/dump", "no .json or .jsonl"),
    "wudao: cut": Case("extract", corpus("wudao", "a.json", WUDAO[:-9]), "a.json", "after 1 of them"),
    "wudao: not JSON": Case("extract", corpus("wudao", "a.json", "title,content\n"), "a.json", "expected an array"),
    "wudao: other keys": Case(
        "extract", corpus("wudao", "a.json", '[{"text": "x"}]'), "object 1", "expected text under"
    ),
    "wudao: numbers for text": Case(
        "extract", corpus("wudao", "a.json", '[{"content": 3}]'), "object 1", "expected text under"
    ),
    "wudao: no content": Case(
        "extract", corpus("wudao", "a.json", '[{"content": " "}]'), "corpus", "corpus.extract.form"
    ),
    "wudao: brackets without end": Case(
        "extract", corpus("wudao", "a.json", '{"a":' + "[" * 9999), "a.json", "not JSON"
    ),
    "wudao: not UTF-8": Case("extract", corpus("wudao", "a.json", b'[{"content": "\xff"}]'), "a.json", "not UTF-8"),
    "text: not UTF-8": Case("extract", corpus("text", "a.txt", b"ok\n\n\xff\n"), "a.txt", "not UTF-8"),
    "text: nothing in it": Case("extract", corpus("text", "a.txt.gz", gzip.compress(b"\n")), "corpus", "extract.form"),
    "text: cut gzip": Case("extract", corpus("text", "a.txt.gz", gzip.compress(TEXT)[:-9]), "a.txt.gz", "get it again"),
    "text: no gzip": Case("extract", corpus("text", "a.txt.gz", TEXT), "a.txt.gz", "get it again"),
    "text: something after a gzip": Case(
        "extract", corpus("text", "a.txt.gz", gzip.compress(TEXT) + b"<html>"), "a.txt.gz", "get it again"
    ),
    "text: cut bz2": Case("extract", corpus("text", "a.txt.bz2", bz2.compress(TEXT)[:-9]), "a.txt.bz2", "get it again"),
    "text: cut xz": Case("extract", corpus("text", "a.txt.xz", lzma.compress(TEXT)[:-9]), "a.txt.xz", "get it again"),
    "text: something after an xz": Case(
        "extract", corpus("text", "a.txt.xz", lzma.compress(TEXT) + b"<html>"), "a.txt.xz", "else follows"
    ),
    "text: cut zstd": Case("extract", corpus("text", "a.txt.zst", ZSTD[:-9]), "a.txt.zst", "get it again"),
    "text: something after a zstd": Case(
        "extract", corpus("text", "a.txt.zst", ZSTD + b"<html>"), "a.txt.zst", "get it again"
    ),
    "text: jsonl in its place": Case("extract", corpus("text", "a.jsonl", '{"text": "x"}'), "corpus", "no .txt file"),
    "jsonl: another key": Case(
        "extract", corpus("jsonl", "a.jsonl", '{"text": "x"}\n\n{"body": "x"}\n'), "a.jsonl:3", "'text'"
    ),
    "jsonl: a number for text": Case(
        "extract", corpus("jsonl", "a.jsonl", '{"text": 3}\n'), "a.jsonl:1", "corpus.extract.field"
    ),
    "jsonl: nothing for text": Case(
        "extract", corpus("jsonl", "a.jsonl", '{"text": null}\n'), "a.jsonl:1", "corpus.extract.field"
    ),
    "jsonl: a list": Case("extract", corpus("jsonl", "a.jsonl", '["x"]\n'), "a.jsonl:1", "the line has no keys"),
    "jsonl: an array over lines": Case(
        "extract", corpus("jsonl", "a.json", '[\n{"text": "x"}\n]'), "a.json:1", "expected a JSON object"
    ),
    "jsonl: cut": Case(
        "extract", corpus("jsonl", "a.jsonl", '{"text": "x"}\n{"text": "y'), "a.jsonl:2", "expected a JSON object"
    ),
    "jsonl: not UTF-8": Case("extract", corpus("jsonl", "a.jsonl", b'{"text": "\xff"}'), "a.jsonl", "not UTF-8"),
    "jsonl: brackets without end": Case(
        "extract", corpus("jsonl", "a.jsonl", '{"a":' + "[" * 99999), "a.jsonl:1", "expected a JSON object"
    ),
    "jsonl: no file of it": Case("extract", corpus("jsonl", "a.txt", "x"), "corpus", "no .jsonl"),
    "parquet: another column": Case(
        "extract", corpus("parquet", "a.parquet", table({"body": ["x"]})), "a.parquet", "the file has body"
    ),
    "parquet: numbers for text": Case(
        "extract", corpus("parquet", "a.parquet", table({"text": [1, 2]})), "a.parquet", "it holds int64"
    ),
    "parquet: nothing for text": Case(
        "extract", corpus("parquet", "a.parquet", table({"text": ["x", None]})), "a.parquet: row 2", "fill or remove"
    ),
    "parquet: not UTF-8": Case("extract", corpus("parquet", "a.parquet", BROKEN), "a.parquet: row 2", "not UTF-8"),
    "parquet: cut": Case(
        "extract", corpus("parquet", "a.parquet", table({"text": ["x"]})[:-9]), "a.parquet", "get it again"
    ),
    "parquet: a web page": Case("extract", corpus("parquet", "a.parquet", "<html>" * 99), "a.parquet", "get it again"),
    "parquet: empty": Case("extract", corpus("parquet", "a.parquet", b""), "a.parquet", "get it again"),
    "parquet: packed": Case(
        "extract", corpus("parquet", "a.parquet.gz", gzip.compress(table({"text": ["x"]}))), "a.parquet.gz", "unpack it"
    ),
    "parquet: in an archive": Case("extract", archive("parquet", {"a.parquet": "x"}), "a.zip, a.parquet", "unpack it"),
    "cluecorpus: nothing in it": Case(
        "extract", corpus("cluecorpus", "a.txt", "\n\n"), "corpus", "corpus.extract.form"
    ),
    "cluecorpus: not UTF-8": Case("extract", corpus("cluecorpus", "a.txt", b"\xb0\xa1"), "a.txt", "not UTF-8"),
    "cluecorpus: UTF-16": Case("extract", corpus("cluecorpus", "a.txt", "text".encode("utf-16")), "a.txt", "not UTF-8"),
    "cluecorpus: no archive": Case("extract", corpus("cluecorpus", "a.zip", "Rar!"), "a.zip", "get it again or unpack"),
    "cluecorpus: a bomb": Case("extract", archive("cluecorpus", {"a.txt": "0" * (1 << 25)}), "a.txt", "remove it"),
    "cluecorpus: two files of one name": Case("extract", twins("a.txt"), "a.zip, b/a.txt", "two files of this name"),
    "cluecorpus: nothing wanted in it": Case("extract", archive("cluecorpus", {"a.md": "x"}), "corpus", "no .txt file"),
    "cluecorpus: names that leave their folder": Case(
        "extract", archive("cluecorpus", {"../../evil.md": "x", "/tmp/evil.md": "x"}), "corpus", "no .txt file"
    ),
    # format
    "no documents": Case("format", drop("data/extracted"), "data/extracted", "expected wikiextractor's files"),
    "an empty document file": Case("format", write(DOCUMENTS, b""), "data/extracted", "expected wikiextractor's files"),
    "documents: plain text": Case("format", write(DOCUMENTS, "Some text.\n"), DOCUMENTS, "expected"),
    "documents: not UTF-8": Case("format", write(DOCUMENTS, DOCUMENT.encode() + b"\xff"), DOCUMENTS, "not UTF-8"),
    "documents: truncated": Case("format", cut(DOCUMENTS), DOCUMENTS, "get or extract it again"),
    "documents: truncated within a header": Case(
        "format", write(DOCUMENTS, DOCUMENT + '<doc id="2" ti'), DOCUMENTS, "get or extract it again"
    ),
    "documents: without a title": Case(
        "format", write(DOCUMENTS, '<doc id="1">\nText of it.\n</doc>\n'), DOCUMENTS, "expected"
    ),
    "documents: binary": Case("format", write(DOCUMENTS, bytes(range(32)) * 9), DOCUMENTS, "expected"),
    "sentences: all too short": Case(
        "format", params({"corpus.format.min_length": 10**6}), "data/extracted", "corpus.format.min_length"
    ),
    "a language of other characters": Case(
        "format",
        both(params({"corpus.language": "zh", "corpus.format.min_length": 9999})),
        "characters",
        "corpus.language",
    ),
    # tokenizer, trained here
    "nothing to train on": Case(
        "tokenizer",
        both(params({"teacher.source": "pretrain"}), emptied("data/formatted")),
        "data/formatted",
        "expected",
    ),
    "blank lines to train on": Case(
        "tokenizer",
        both(params({"teacher.source": "pretrain"}), write(SENTENCES, "\n\n")),
        "data/formatted",
        "expected text",
    ),
    "bytes to train on": Case(
        "tokenizer", both(params({"teacher.source": "pretrain"}), write(SENTENCES, b"\xff\n")), SENTENCES, "UTF-8"
    ),
    "a vocabulary smaller than the alphabet": Case(
        "tokenizer",
        both(
            params({"teacher.source": "pretrain", "teacher.tokenizer.vocabulary": 64}),
            write(SENTENCES, "".join(map(chr, range(0x4E00, 0x4F00))) + "\n"),
        ),
        "teacher.tokenizer.vocabulary",
        "expected at least",
    ),
}
