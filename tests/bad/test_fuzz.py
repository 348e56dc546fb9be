"""Readers of what users bring, on made input: they read it or end in one line, and raise nothing else."""

import bz2
import copy
import gzip
import io
import json
import lzma
import zipfile
from pathlib import Path

import numpy as np
import pyarrow
import pytest
from bad import world
from bad.records import INDEX, MANIFEST, SHARD, WHOLE, published
from bad.world import SAMPLE, dumped
from corpus.tiny_dump import dump as made_dump
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from minimoe.corpus import dump, forms
from minimoe.corpus.chunks import Chunk
from minimoe.corpus.format import format_chunk
from minimoe.corpus.sources import sources
from minimoe.params import load
from minimoe.records.dataset import Records
from minimoe.records.published import parse, scan
from minimoe.system.errors import UserError
from minimoe.tasks.readers import read_official
from minimoe.tasks.table import TASKS

bounded = settings(
    max_examples=150, derandomize=True, deadline=None, database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)  # fmt: skip
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
ZSTD = pyarrow.compress(b"one\n\ntwo\n" * 9, "zstd", asbytes=True)
PARQUET = pyarrow.BufferOutputStream()
parquet.write_table(pyarrow.table({"text": ["one", "two"], "id": [1, 2]}), PARQUET)
PARQUET = PARQUET.getvalue().to_pybytes()
TEXT = st.text(alphabet=st.sampled_from('ab01\t\n\r" \x00\u2028é{}[],:-<>/'), max_size=80)
ROWS = st.dictionaries(st.sampled_from(["sentence", "label", "abst", "keyword"]), VALUES)
CLUE = {"sentence": "x", "label": "100"}


@st.composite
def harmed(draw, content: bytes) -> bytes:
    """The content with a piece of it replaced, cut out or put in."""
    start = draw(st.integers(0, len(content)))
    end = draw(st.integers(start, min(len(content), start + 40)))
    return content[:start] + draw(st.binary(max_size=12)) + content[end:]


def reads(function, *arguments) -> None:
    """`function` returns, or raises a `UserError` of one line."""
    try:
        found = function(*arguments)
        list(found) if hasattr(found, "__next__") else found
    except UserError as error:
        assert str(error) and len(str(error).splitlines()) == 1
        assert str(error).isprintable()


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("made")
    world.make(root)
    return root


def leaves(value: object, path: tuple = ()) -> list[tuple]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, item in inner for place in leaves(item, (*path, key)))]


@pytest.mark.slow
@bounded
@given(place=st.sampled_from(leaves(SAMPLE)[1:]), value=VALUES, name=st.none() | st.text(max_size=8))
def test_params_with_any_value_anywhere(tmp_path, place, value, name):
    values = copy.deepcopy(SAMPLE)
    *sections, last = place
    section = values
    for key in sections:
        section = section[key]
    section[last if name is None or isinstance(section, list) else name] = value
    (tmp_path / "p.yaml").write_text(dumped(values), encoding="utf-8", errors="replace")
    reads(load, tmp_path / "p.yaml")


@bounded
@given(st.binary(max_size=60) | TEXT.map(str.encode) | harmed(dumped(SAMPLE).encode()))
def test_params_of_any_bytes(tmp_path, content):
    (tmp_path / "p.yaml").write_bytes(content)
    reads(load, tmp_path / "p.yaml")


@pytest.mark.slow
@pytest.mark.parametrize("task", ["sst2", "stsb", "qqp", "cola", "conll2003", "tnews", "csl"])
@bounded
@given(data=st.data())
def test_task_files(tmp_path, task, data):
    header = "\t".join(TASKS[task].header or TASKS[task].columns)
    content = data.draw(
        st.binary(max_size=60)
        | TEXT.map(str.encode)
        | TEXT.map(lambda text: f"{header}\n{text}".encode())
        | st.dictionaries(st.sampled_from(["sentence", "label", "abst", "keyword"]), VALUES)
        .map(json.dumps)
        .map(str.encode)
        | harmed(b"EU NNP I-NP I-ORG\nrejects VBZ I-VP O\n\n" + json.dumps(CLUE).encode())
    )
    (tmp_path / "file").write_bytes(content)
    reads(read_official, tmp_path / "file", TASKS[task])


@pytest.mark.slow
@pytest.mark.parametrize("pack", [bytes, bz2.compress, gzip.compress])
@bounded
@given(data=st.data())
def test_dumps(tmp_path, pack, data):
    (tmp_path / "dump").write_bytes(data.draw(st.binary(max_size=60) | harmed(pack(made_dump(3)))))
    reads(dump.read, tmp_path / "dump")


@pytest.mark.slow
@bounded
@given(data=st.data())
def test_corpora(tmp_path, data):
    pieces = st.sampled_from(['[{"content": "', '"}', "]", '{"title": 1}', '{"text": "', "\n"])
    text = data.draw(st.lists(TEXT | pieces, max_size=6).map("".join))
    packed = data.draw(st.binary(max_size=60) | harmed(lzma.compress(b"one\n")) | harmed(ZSTD))
    files = {"a.txt": text.encode(), "a.jsonl": text.encode(), "a.txt.xz": packed, "a.txt.zst": packed}
    files["a.parquet"] = data.draw(st.binary(max_size=60) | harmed(PARQUET))
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    for form, (suffixes, read) in forms.FORMS.items():
        for source in (source for source in sources(tmp_path, suffixes) if source.suffix in suffixes):
            for end in ("blank_line", "line", "file"):
                reads(documents, read, source, forms.Reading(form, "text", end))


def documents(read, source, reading):
    return ((title, *lines) for title, lines in read(source, reading))


def archive() -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("a.txt", "one\n\ntwo\n" * 50)
    return made.getvalue()


@bounded
@given(harmed(archive()))
def test_archives(tmp_path, content):
    (tmp_path / "a.zip").write_bytes(content)
    reads(lambda: [list(source.blocks()) for source in sources(tmp_path / "a.zip", (".txt",))])


@bounded
@given(TEXT.map(str.encode) | harmed(b'<doc id="1" url="" title="A">\nA\n\nText of it, and more.\n</doc>\n' * 3))
def test_documents(tmp_path, content):
    (tmp_path / "doc").write_bytes(content)
    reads(format_chunk, Chunk(str(tmp_path / "doc"), 0, len(content)), "en", "published", 1)


@pytest.mark.slow
@bounded
@given(data=st.data())
def test_records(made, tmp_path, data):
    """Ours, with the manifest or the index, which name their own checksums, or a shard harmed."""
    if not (tmp_path / MANIFEST).exists():
        world.copy(made, tmp_path)
    name = data.draw(st.sampled_from([MANIFEST, INDEX, SHARD]))
    (tmp_path / name).write_bytes(data.draw(harmed((made / name).read_bytes())))
    reads(lambda: Records(tmp_path / "data/records").batch([0, 1]))
    (tmp_path / name).write_bytes((made / name).read_bytes())


@bounded
@given(place=st.data())
def test_manifests_of_any_values(made, tmp_path, place):
    values = json.loads((made / MANIFEST).read_text())
    *sections, last = place.draw(st.sampled_from(leaves(values)[1:]))
    section = values
    for key in sections:
        section = section[key]
    section[last] = place.draw(VALUES)
    if not (tmp_path / MANIFEST).exists():
        world.copy(made, tmp_path)
    (tmp_path / MANIFEST).write_text(json.dumps(values))
    reads(lambda: Records(tmp_path / "data/records").batch([0, 1]))


@pytest.fixture(scope="module")
def frames(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("frames")
    (root / "data/records").mkdir(parents=True)
    published(*[WHOLE] * 3)(root)
    return root / SHARD


@pytest.mark.slow
@bounded
@given(data=st.data())
def test_records_of_the_published_form(frames, tmp_path, data):
    content = frames.read_bytes()
    (tmp_path / "a.tfrecord").write_bytes(data.draw(st.binary(max_size=60) | harmed(content)))
    reads(lambda: Records(tmp_path).batch([0]))
    start, end = next(scan(frames))
    payload = data.draw(st.binary(max_size=60) | harmed(content[start:end]))
    reads(parse, payload, "a.tfrecord")
    try:
        ids, segments = parse(payload, "a.tfrecord")
    except UserError:
        return
    assert ids.min() >= 0 and segments.size in (0, ids.size) and ids.dtype == np.int64
