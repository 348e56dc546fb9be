"""`make load` at a small size: what it writes is read by what it measures."""

import pytest

from benchmarks.load import corpus, rounds
from minimoe.records.dataset import Records


@pytest.mark.slow
def test_a_round_over_made_up_records(tmp_path, monkeypatch):
    monkeypatch.setattr(rounds, "PART", 400)
    seen = rounds.run(tmp_path / "round", 800)
    assert len(Records(tmp_path / "round")) == seen["records"] == 800
    assert 0 < min(seen["quarters"]) <= seen["memory"]


@pytest.mark.slow
def test_text_becomes_records_and_is_loaded(tmp_path, monkeypatch):
    monkeypatch.setattr(corpus, "FILES", 1)
    rows = corpus.run(tmp_path / "corpus", 1)
    assert [row["step"] for row in rows] == ["format", "records", "load", "format on Dask", "records on Dask"]
    assert all(row["memory"] > 0 for row in rows)
    assert len(Records(tmp_path / "corpus/records")) > 100


def test_a_cluster_that_writes_other_bytes_is_an_error(tmp_path, monkeypatch):
    monkeypatch.setattr(corpus, "write", lambda folder, times: folder.mkdir())
    sums = iter("aab")
    monkeypatch.setattr(corpus, "_measured", lambda step, *_: {"step": step, "sha256": next(sums, "c")})
    monkeypatch.setattr(corpus, "STEPS", {name: (None, name) for name in ("format", "records")})
    with pytest.raises(SystemExit, match="a cluster wrote others"):
        corpus.run(tmp_path / "corpus", 1)
