"""`make load` at a small size: what it writes is read by what it measures."""

from benchmarks.load import corpus, rounds
from minimoe.records.dataset import Records


def test_a_round_over_made_up_records(tmp_path, monkeypatch):
    monkeypatch.setattr(rounds, "PART", 400)
    seen = rounds.run(tmp_path / "round", 800)
    assert len(Records(tmp_path / "round")) == seen["records"] == 800
    assert 0 < min(seen["quarters"]) <= seen["memory"]


def test_text_becomes_records_and_is_loaded(tmp_path, monkeypatch):
    monkeypatch.setattr(corpus, "FILES", 1)
    rows = corpus.run(tmp_path / "corpus", 1)
    assert [row["step"] for row in rows] == ["format", "records", "load"]
    assert all(row["memory"] > 0 for row in rows)
    assert len(Records(tmp_path / "corpus/records")) > 100
