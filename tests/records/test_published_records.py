"""Record files as the published code writes them."""

import numpy as np
import pytest
from corpus.tiny_corpus import flip
from tfrecord.writer import TFRecordWriter

from minimoe.records.dataset import Records
from minimoe.system.errors import UserError


@pytest.fixture
def published(tmp_path):
    """Two files as the published code writes them, and what is in them."""
    rng = np.random.default_rng(0)
    written = []
    for name in ("b", "a"):
        writer = TFRecordWriter(str(tmp_path / f"{name}.tfrecord"))
        rows = []
        for _ in range(20):
            length, first = rng.integers(5, 129), rng.integers(2, 5)
            indices = rng.integers(0, 30_000, length).tolist()
            segments = [0] * int(first) + [1] * int(length - first)
            writer.write({"indices": (indices, "int"), "segments": (segments, "int")})
            rows.append((indices, segments))
        writer.close()
        written = rows + written  # files are read in the order of their names
    return tmp_path, written


def test_the_published_form_is_read(published):
    folder, written = published
    records = Records(folder)
    assert len(records) == 40
    for record, (indices, segments) in zip(records, written, strict=True):
        assert record["input_ids"].tolist() == indices and record["token_type_ids"].tolist() == segments
    batch = records.batch([39, 0, 20])
    lengths = [len(written[index][0]) for index in (39, 0, 20)]
    assert batch["input_ids"].shape == (3, max(lengths)) and batch["attention_mask"].sum(1).tolist() == lengths
    assert records.lengths([39, 0, 20]).tolist() == lengths


def test_single_records_are_held_out_of_the_published_form(published):
    records = Records(published[0])
    assert records.training == range(40) and not records.heldout
    train, measured = records.split(10)
    assert sorted([*train, *measured]) == list(range(40)) and set(np.diff(measured)) == {4}
    assert [len(part) for part in records.split(39)] == [1, 39]
    with pytest.raises(UserError, match=r"^distill\.heldout: expected fewer than the 40 records, got 40"):
        records.split(40)


def test_the_published_form_without_segments(tmp_path):
    writer = TFRecordWriter(str(tmp_path / "a.tfrecord"))
    writer.write({"indices": ([0, 5, 2], "int")})
    writer.close()
    assert Records(tmp_path)[0]["token_type_ids"].tolist() == [0, 0, 0]


@pytest.mark.parametrize("damage", ["flip", "cut", "cut header"])
def test_damage_of_the_published_form(published, damage):
    path = published[0] / "a.tfrecord"
    if damage == "flip":
        flip(path)
    else:
        path.write_bytes(path.read_bytes()[: -3 if damage == "cut" else 5])
    with pytest.raises(UserError, match=r"a\.tfrecord: (truncated or )?damaged"):
        Records(published[0])


def test_other_tfrecord_files(tmp_path):
    with pytest.raises(UserError, match="no records in it"):
        Records(tmp_path)
    writer = TFRecordWriter(str(tmp_path / "a.tfrecord"))
    writer.write({"image": (b"1", "byte")})
    writer.close()
    with pytest.raises(UserError, match="expected int64 lists 'indices' and 'segments'"):
        Records(tmp_path)[0]
