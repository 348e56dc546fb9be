import json
import pickle
import resource
from pathlib import Path

import numpy as np
import pytest
import torch
from corpus.tiny_corpus import flip
from torch.utils.data import DataLoader

from minimoe.records.dataset import Records
from minimoe.system.errors import UserError
from minimoe.system.files import signed


@pytest.fixture
def records(build):
    return Records(build(shard_records=30))


def test_batches_are_padded_to_their_longest(records):
    indices = [101, 3, 64, 3]
    batch = records.batch(indices)
    lengths = [len(records[index]["input_ids"]) for index in indices]
    assert all(array.dtype == torch.int64 and array.shape == (4, max(lengths)) for array in batch.values())
    for row, index in enumerate(indices):
        for name, values in records[index].items():
            assert batch[name][row, : lengths[row]].tolist() == values.tolist()
            assert not batch[name][row, lengths[row] :].any()
    assert batch["attention_mask"].sum(1).tolist() == records.lengths(indices).tolist() == lengths


def test_padding_is_the_tokenizers(build, roberta):
    records = Records(build(tokenizer=roberta))
    batch = records.batch(range(len(records)))
    assert (batch["input_ids"][batch["attention_mask"] == 0] == 1).all()
    assert (batch["attention_mask"] == 0).any()


@pytest.mark.parametrize("kind", ["bert", "roberta"])
def test_the_two_texts_of_records_apart(build, roberta, kind):
    records = Records(build(tokenizer=roberta) if kind == "roberta" else build())
    indices = list(range(40))
    apart, sep = records.batch(indices, apart=True), records.manifest["sep_id"]
    texts = [row[mask.bool()].tolist() for row, mask in zip(apart["input_ids"], apart["attention_mask"], strict=True)]
    for first, second, index in zip(texts[:40], texts[40:], indices, strict=True):
        whole = records[index]["input_ids"].tolist()
        assert first + [sep] * (kind == "roberta") + second[1:] == whole and second[0] == whole[0]
        assert first[-1] == second[-1] == sep and first.count(sep) == second.count(sep) == 1
    assert list(map(len, texts)) == records.lengths(indices, apart=True).tolist()
    assert not apart["token_type_ids"].any()
    width = apart["input_ids"].shape[1]
    assert max(map(len, texts)) <= width <= records.manifest["max_length"]
    assert width % 8 == 0 or width == records.manifest["max_length"]
    assert (apart["input_ids"][apart["attention_mask"] == 0] == records.manifest["pad_id"]).all()


@pytest.mark.parametrize("indices", [[-1], [10**6], []])
def test_records_that_there_are_not(records, indices):
    with pytest.raises(IndexError, match="expected records 0 to"):
        records.batch(indices)


def test_measured_records_are_evenly_spaced_over_those_held_out(records):
    train, measured = records.split(10)
    assert train == records.training and measured.dtype == np.int64
    gaps = np.diff(measured)
    assert len(measured) == 10 and gaps.max() - gaps.min() <= 1
    assert set(measured) < set(records.heldout)
    assert records.split(len(records.heldout))[1].tolist() == list(records.heldout)


def test_more_records_than_are_held_out(records):
    held = len(records.heldout)
    with pytest.raises(UserError, match=f"^distill.heldout: .*most {held}, .* corpus.records.heldout .* got"):
        records.split(held + 1)


def test_data_loader_workers_and_other_processes(records):
    loader = DataLoader(records, batch_size=1, num_workers=2)
    expected = [records[index]["input_ids"].tolist() for index in range(len(records))]
    assert [batch["input_ids"][0].tolist() for batch in loader] == expected
    pickled = pickle.dumps(records)
    copy = pickle.loads(pickled)
    assert [record["input_ids"].tolist() for record in copy] == expected


def test_more_shards_than_files_may_be_open(build):
    records = Records(build(shard_records=5))
    expected = [record["input_ids"].tolist() for record in records]
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (len(list(Path("/dev/fd").iterdir())) + 9, hard))
    try:
        again = [record["input_ids"].tolist() for record in pickle.loads(pickle.dumps(records))]
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert len(records.manifest["shards"]) > 20 and again == expected


DAMAGE = {
    "a flipped bit": lambda folder: flip(folder / "00001.tfrecord"),
    "a flipped bit of an index": lambda folder: flip(folder / "00001.npy"),
    "a truncated shard": lambda folder: (folder / "00001.tfrecord").write_bytes(b"x" * 99),
    "a missing shard": lambda folder: (folder / "00001.tfrecord").unlink(),
    "a missing index": lambda folder: (folder / "00001.npy").unlink(),
    "no manifest": lambda folder: (folder / "manifest.json").unlink(),
    "a broken manifest": lambda folder: (folder / "manifest.json").write_text('{"version": 1, "sha'),
    "another version": lambda folder: (folder / "manifest.json").write_text('{"version": 9}'),
}


@pytest.mark.parametrize("case", DAMAGE)
def test_damage_is_one_line_that_names_the_file(build, case):
    folder = build(shard_records=60)
    DAMAGE[case](folder)
    with pytest.raises(
        UserError, match=r"^\S+(00001\.(tfrecord|npy)|manifest\.json): .*dvc repro -f -s records"
    ) as error:
        Records(folder)
    assert "\n" not in str(error.value)


def test_a_wrong_count_is_noticed(build):
    folder = build()
    manifest = json.loads((folder / "manifest.json").read_text())
    del manifest["crc32c"]
    manifest["count"] += 1
    (folder / "manifest.json").write_text(json.dumps(signed(manifest)))
    with pytest.raises(UserError, match="counts differ"):
        Records(folder)


@pytest.mark.parametrize(
    "edit", [lambda m: m.update(heldout=m["heldout"] + 1), lambda m: m["shards"][0].update(heldout=True)]
)
def test_a_wrong_border_is_noticed(build, edit):
    folder = build()
    manifest = json.loads((folder / "manifest.json").read_text())
    del manifest["crc32c"]
    edit(manifest)
    (folder / "manifest.json").write_text(json.dumps(signed(manifest)))
    with pytest.raises(UserError, match="counts differ"):
        Records(folder)


def test_any_flipped_bit_of_the_manifest_is_noticed(build):
    path = build() / "manifest.json"
    whole = path.read_bytes()
    manifest = Records(path.parent).manifest
    for byte in range(0, len(whole), 3):
        damaged = bytearray(whole)
        damaged[byte] ^= 1 << byte % 8
        path.write_bytes(damaged)
        try:
            assert Records(path.parent).manifest == manifest  # it was white space
        except UserError as error:
            assert "dvc repro -f -s records" in str(error)
