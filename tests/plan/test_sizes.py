"""Sizes of a corpus: counted where it is there, else guessed, in proportion."""

import json
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest

from minimoe.plan import constants
from minimoe.plan.sizes import COUNTED, GUESSED, Amount, corpus
from minimoe.system.errors import UserError
from tests.plan.conftest import ROOT, profile


def sizes(root=ROOT, done=frozenset(), online=False, name="sample", **changes):
    return corpus(profile(name, **changes), root, done, online)


def documents(root, size: int):
    (root / "texts").mkdir(exist_ok=True)
    (root / "texts/wiki_00").write_bytes(b"x" * size)
    return {"corpus__download__path": "texts"}


def test_the_samples_dump_is_counted_and_its_records_are_guessed_within_a_half():
    made = sizes()
    assert made.dump == Amount((ROOT / "data/sample/wiki.xml.bz2").stat().st_size, COUNTED)
    assert made.records.basis == GUESSED
    assert 3467 / 1.5 < made.records.value < 3467 * 1.5  # what the records stage makes of it


def test_everything_grows_with_the_text(tmp_path):
    small, large = (sizes(tmp_path, **documents(tmp_path, size)) for size in (10_000, 30_000))
    for name in ("dump", "extracted", "formatted", "documents", "sentences", "tokens", "records", "record_bytes"):
        assert getattr(large, name).value == pytest.approx(3 * getattr(small, name).value)


def test_longer_records_are_fewer():
    assert sizes(corpus__records__max_length=128).records.value < sizes().records.value


def test_what_is_up_to_date_is_counted(tmp_path):
    (tmp_path / "data/formatted").mkdir(parents=True)
    (tmp_path / "data/formatted/00000.txt").write_bytes(b"x" * 5000)
    (tmp_path / "data/records").mkdir()
    (tmp_path / "data/records/manifest.json").write_text(json.dumps({"count": 77, "heldout": 7}))
    dump = documents(tmp_path, 10_000)
    assert sizes(tmp_path, {"format", "records"}, **dump).formatted == Amount(5000, COUNTED)
    assert sizes(tmp_path, {"format", "records"}, **dump).records == Amount(77, COUNTED)
    assert sizes(tmp_path, {"format", "records"}, **dump).training == Amount(70, COUNTED)
    assert sizes(tmp_path, **dump).training.value == pytest.approx(sizes(tmp_path, **dump).records.value * 0.9)
    assert sizes(tmp_path, **dump).formatted.basis == GUESSED
    assert sizes(tmp_path, **dump).records.basis == GUESSED


def test_packed_text_is_guessed_and_plain_text_counted(tmp_path):
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts/a.jsonl").write_bytes(b"x" * 5000)
    told = {"corpus__download__path": "texts", "corpus__extract__form": "jsonl"}
    assert sizes(tmp_path, **told).extracted == Amount(5000, COUNTED)
    (tmp_path / "texts/b.jsonl.gz").write_bytes(b"x" * 1000)
    assert sizes(tmp_path, **told).dump == Amount(6000, COUNTED)
    assert sizes(tmp_path, **told).extracted == Amount(5000 + 1000 * constants.UNPACKED, GUESSED)
    with pytest.raises(UserError, match=r"^corpus\.download\.path: expected jsonl's files at .*nowhere"):
        sizes(tmp_path, **told | {"corpus__download__path": "nowhere"})


def test_the_hub_tells_the_size_of_a_data_set(tmp_path, plain_hub):
    plain_hub.add("dataset", "a/b", {"en/x.parquet": b"x" * 3000, "en/y.parquet": b"y" * 4000, "de/z.parquet": b"z"})
    told = {"corpus__download__source": "hub", "corpus__download__hub": "a/b", "corpus__download__files": "en/*"}
    told |= {"corpus__extract__form": "parquet"}
    with pytest.raises(UserError, match="the size of a/b is not known here; add --online"):
        sizes(tmp_path, **told)
    assert sizes(tmp_path, online=True, **told).dump == Amount(7000, COUNTED)
    assert sizes(tmp_path, online=True, **told).extracted == Amount(7000 * constants.UNPACKED, GUESSED)
    with pytest.raises(UserError, match=r"^corpus\.download\.files: expected a pattern"):
        sizes(tmp_path, online=True, **told | {"corpus__download__files": "fr/*"})
    with pytest.raises(UserError, match=r"^corpus\.download\.hub: a/c at main: .*; check it, or plan without"):
        sizes(tmp_path, online=True, **told | {"corpus__download__hub": "a/c"})


def test_known_wikis_and_corpora_come_from_the_table(tmp_path):
    made = sizes(tmp_path, name="paper_base")
    assert made.dump == Amount(constants.WIKIS["enwiki"].dump, GUESSED)
    assert sizes(tmp_path, name="chinese").dump == Amount(14e9, GUESSED)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"source": "wikipedia", "wiki": "eowiki"}, "the size of eowiki is not known here; add --online"),
        (
            {"source": "https://example.org/dump.bz2"},
            r"the size of https://.*dump\.bz2 is not known here; add --online",
        ),
        ({"source": "local", "path": "nothing.bz2"}, "expected a dump, or a folder of documents, at .*nothing.bz2"),
    ],
)
def test_an_unknown_size_is_an_error_that_says_what_to_do(changes, message):
    with pytest.raises(UserError, match=message):
        sizes(**{f"corpus__download__{key}": value for key, value in changes.items()})


class Server(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path.endswith("dump.bz2") else 404)
        self.send_header("Content-Length", "123456")
        self.end_headers()

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    served = HTTPServer(("127.0.0.1", 0), Server)
    Thread(target=served.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{served.server_port}"
    served.shutdown()


def test_online_asks_the_server(server):
    assert sizes(online=True, corpus__download__source=f"{server}/dump.bz2").dump == Amount(123456, COUNTED)
    with pytest.raises(UserError, match=r"404.*without --online"):
        sizes(online=True, corpus__download__source=f"{server}/other")
