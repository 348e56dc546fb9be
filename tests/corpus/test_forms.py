"""Corpora that are text, JSON lines or parquet, packed or not: the same documents give the same records."""

import bz2
import gzip
import json
import lzma
import random
import tracemalloc

import pyarrow
import pytest
from corpus.tiny_corpus import sentences
from pyarrow import parquet

from minimoe.corpus import forms, plain
from minimoe.corpus.build import build_records
from minimoe.corpus.extract import extract
from minimoe.corpus.format import format_corpus
from minimoe.corpus.forms import FORMS, Reading
from minimoe.corpus.sources import sources
from minimoe.system.errors import UserError

DOCUMENTS = [
    *sentences().rstrip("\n").split("\n\n"),
    "ba ben birt 1 < 2 & </doc>\ndo dum fa fen – é\u2028 \U0001f600 bo um",
    "\xa0\xa0 • Ba, Ben J. (1994). Do dum. \n\u3000\u3000fa fen (ba)",  # spaces tell where a sentence ends
]


def zstd(content: bytes) -> bytes:
    return pyarrow.compress(content, "zstd", asbytes=True)


def table(texts: list[str], kind=None, rows: int = 7) -> bytes:
    out = pyarrow.BufferOutputStream()
    columns = {"id": list(range(len(texts))), "body": pyarrow.array(texts, kind or pyarrow.string())}
    parquet.write_table(pyarrow.table(columns), out, row_group_size=rows)
    return out.getvalue().to_pybytes()


def lines(texts: list[str], **settings) -> bytes:
    return "\n".join(json.dumps({"id": 0, "body": text}, **settings) for text in texts).encode()


TEXT = "\n\n\n".join(DOCUMENTS).encode()
HALVES = DOCUMENTS[:20], DOCUMENTS[20:]
WAYS = {
    "text": ("text", {"a.txt": TEXT}),
    "text with blank lines at its ends": ("text", {"a.txt": b"\xef\xbb\xbf\n\n" + TEXT.replace(b"\n", b"\r\n")}),
    "text by files": ("text: file", {f"{n:03d}.TXT": text.encode() for n, text in enumerate(DOCUMENTS)}),
    "text, gzip in two members": ("text", {"a.txt.gz": gzip.compress(TEXT[:99]) + gzip.compress(TEXT[99:])}),
    "text, bzip2 in two streams": ("text", {"a.txt.bz2": bz2.compress(TEXT[:99]) + bz2.compress(TEXT[99:])}),
    "text, xz in two streams": ("text", {"a.txt.xz": lzma.compress(TEXT[:99]) + bytes(8) + lzma.compress(TEXT[99:])}),
    "text, zstd in two frames": ("text", {"a.txt.ZST": zstd(TEXT[:99]) + zstd(TEXT[99:])}),
    "jsonl": ("jsonl", {"a.jsonl": lines(DOCUMENTS)}),
    "jsonl in a folder, with empty documents": (
        "jsonl",
        {
            "x/b.ndjson": lines(["", *HALVES[1], " \n"], ensure_ascii=False),
            "a.json.gz": gzip.compress(lines(HALVES[0])),
        },
    ),
    "parquet": ("parquet", {"a.parquet": table(DOCUMENTS)}),
    "parquet in shards, with empty documents": (
        "parquet",
        {f"train-{n}.parquet": table(["", *half], pyarrow.large_string()) for n, half in enumerate(HALVES)},
    ),
    "parquet with views": ("parquet", {"a.parquet": table(DOCUMENTS, pyarrow.string_view(), rows=1000)}),
    "wudao": ("wudao", {"a.json": json.dumps([{"content": text} for text in DOCUMENTS]).encode()}),
}


def records(folder, bert, way: str, workers: int) -> dict[str, bytes]:
    """The records of a corpus, by file."""
    (form, _, end), files = WAYS[way][0].partition(": "), WAYS[way][1]
    for name, content in files.items():
        path = folder / "dump/corpus" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    settings = {"field": "body", "document_end": end or "blank_line"}
    count = extract(folder / "dump", folder / "extracted", form, templates=False, workers=workers, **settings)
    assert count == len(DOCUMENTS)
    format_corpus(folder / "extracted", folder / "formatted", "en", "sentencex", min_length=0, workers=workers)
    settings = {"max_length": 32, "short_probability": 0.1, "shard_records": 100, "heldout": 0.2, "seed": 776}
    build_records(folder / "formatted", bert, folder / "records", workers=workers, **settings)
    return {path.name: path.read_bytes() for path in (folder / "records").iterdir()}


@pytest.fixture(scope="module")
def expected(tmp_path_factory, bert):
    return records(tmp_path_factory.mktemp("text"), bert, "text", workers=1)


@pytest.mark.slow
@pytest.mark.parametrize("way", WAYS)
def test_the_same_documents_give_the_same_records(tmp_path, bert, expected, way):
    assert records(tmp_path, bert, way, workers=1) == expected


@pytest.mark.slow
def test_workers_and_the_size_of_parts_change_no_record(tmp_path, bert, expected, monkeypatch):
    monkeypatch.setattr(plain, "PART_BYTES", 1)
    assert records(tmp_path, bert, "text by files", workers=2) == expected
    assert len(list((tmp_path / "extracted").iterdir())) == len(DOCUMENTS)


def test_a_line_may_be_a_document(tmp_path):
    texts = [text.split("\n")[0] for text in DOCUMENTS]
    made = []
    for form, content in {"text": "\n \n".join(texts).encode(), "jsonl": lines(texts), "parquet": table(texts)}.items():
        (tmp_path / form).mkdir()
        (tmp_path / form / f"a.{form.replace('text', 'txt')}").write_bytes(content)
        settings = {"templates": False, "workers": 1, "field": "body", "document_end": "line"}
        assert extract(tmp_path / form, tmp_path / "out", form, **settings) == len(texts)
        made.append((tmp_path / "out/00000").read_bytes())
    assert made[0] == made[1] == made[2]


def read(path, reading: Reading) -> list[str]:
    return [
        "\n".join(lines)
        for source in sources(path, FORMS[reading.form].suffixes)
        for _, lines in FORMS[reading.form].read(source, reading)
    ]


@pytest.mark.parametrize("end", ["blank_line", "line", "file"])
def test_no_line_and_no_end_of_the_last_one(tmp_path, end):
    path = tmp_path / "a.txt"
    found = []
    for content in (b"", b"\n \n", b"one", b"one\n", b"\none\n\n"):
        path.write_bytes(content)
        found.append(read(path, Reading("text", document_end=end)))
    assert found == [[], [], ["one"], ["one"], ["one"]]


@pytest.mark.slow
@pytest.mark.parametrize("end", ["blank_line", "file"])
def test_a_document_of_a_million_lines_is_read_line_by_line(tmp_path, end):
    count, path = 1_000_000, tmp_path / "a.txt.gz"
    path.write_bytes(gzip.compress(b"A line of it.\n" * count))
    (source,) = sources(path, (".txt",))
    tracemalloc.start()
    try:
        ((_, found),) = ((title, sum(1 for _ in lines)) for title, lines in forms.text(source, Reading("", "", end)))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert found == count and peak < 14 * count


@pytest.mark.parametrize("form", ["text", "jsonl"])
def test_what_has_no_end_is_given_up(tmp_path, monkeypatch, form):
    monkeypatch.setattr("minimoe.corpus.unpack._BLOCK", 64)
    monkeypatch.setattr(forms, "LONGEST", 1000)
    path = tmp_path / {"text": "a.txt", "jsonl": "a.jsonl"}[form]
    path.write_text("{}\n" * (form == "text") + "x" * 2000)
    with pytest.raises(UserError, match=rf"{path.name}:\d: no end of the line in 1,000 characters"):
        read(path, Reading(form, "text", "file"))


def test_a_document_without_an_end_is_given_up(tmp_path, monkeypatch):
    monkeypatch.setattr(forms, "LONGEST", 1000)
    (tmp_path / "dump").mkdir()
    (tmp_path / "dump/a.txt").write_text("x\n\n" + "no blank line\n" * 100)
    with pytest.raises(UserError, match=r"a\.txt: document 2: no end of it in 1,000 .* corpus\.extract\.document_end"):
        extract(tmp_path / "dump", tmp_path / "out", "text", templates=False, workers=1, document_end="blank_line")
    assert not (tmp_path / "out").exists()


def test_parquet_is_read_piece_by_piece(tmp_path):
    path = tmp_path / "a.parquet"
    draw = random.Random(0)
    path.write_bytes(table([draw.randbytes(5000).hex() for _ in range(3000)], rows=100))
    (source,) = sources(path, (".parquet",))
    before = pyarrow.total_allocated_bytes()
    held = [pyarrow.total_allocated_bytes() - before for _ in forms.parquet(source, Reading("parquet", "body"))]
    assert len(held) == 3000 and max(held) < 10_000_000  # of 30 MB
