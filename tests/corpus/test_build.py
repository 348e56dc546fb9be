import functools
import json

import backbones
import numpy as np
import pytest
from corpus.tiny_corpus import BERT, WORDS, make_tokenizer, sentences
from tfrecord.reader import tfrecord_loader
from tfrecord.writer import TFRecordWriter
from transformers import AutoTokenizer

from minimoe.corpus import build as module
from minimoe.corpus import tokenize as tokens
from minimoe.corpus.chunks import chunks
from minimoe.corpus.tfrecord import IDS_AT, frame
from minimoe.records.dataset import Records
from minimoe.records.published import scan
from minimoe.system.errors import UserError


def contents(folder):
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


@pytest.fixture
def small_tasks(monkeypatch):
    """Many tasks for a small corpus."""
    monkeypatch.setattr(tokens, "chunks", functools.partial(chunks, size=2000))
    monkeypatch.setattr(module, "TASK_TOKENS", 500)


@pytest.mark.slow
def test_any_number_of_workers_writes_the_same_bytes(build, small_tasks):
    one = contents(build("one", shard_records=40, workers=1))
    assert len(one) > 5
    assert contents(build("two", shard_records=40, workers=2)) == one
    assert contents(build("seven", shard_records=40, workers=7)) == one


@pytest.mark.slow
def test_the_size_of_tasks_and_shards_changes_no_record(build, small_tasks, monkeypatch):
    def ids(folder):
        return [Records(folder)[index]["input_ids"].tolist() for index in range(len(Records(folder)))]

    small = ids(build("small", shard_records=7))
    monkeypatch.undo()
    assert ids(build("large", shard_records=10**6)) == small


def test_words_that_are_kept_change_no_byte(build, small_tasks, tmp_path, monkeypatch):
    backbones.make_tokenizer("bert").save_pretrained(tmp_path / "bert")
    text = "Ann EATS, and (bob) sees.\nThe film is [MASK] in Paris: 3.5!\n\nbob eats the play\n\n" * 50
    kept = contents(build("kept", text=text, tokenizer=tmp_path / "bert"))
    monkeypatch.setattr(tokens, "words", lambda tokenizer: None)
    assert contents(build("plain", text=text, tokenizer=tmp_path / "bert")) == kept


def test_the_seed_changes_the_records(build):
    assert contents(build("one"))["00000.tfrecord"] != contents(build("two", seed=777))["00000.tfrecord"]


def test_records_are_pairs_of_running_text(build, bert):
    records, tokenizer = Records(build()), AutoTokenizer.from_pretrained(bert)
    corpus = " ".join(sentences().split())
    lengths = []
    for record in records:
        ids, types = record["input_ids"], record["token_type_ids"]
        lengths.append(len(ids))
        ends = np.flatnonzero(ids == tokenizer.sep_token_id)
        assert ids[0] == tokenizer.cls_token_id and len(ends) == 2 and ends[1] == len(ids) - 1
        assert types.tolist() == [0] * (ends[0] + 1) + [1] * (ends[1] - ends[0])
        for side in (ids[1 : ends[0]], ids[ends[0] + 1 : -1]):
            assert len(side) and tokenizer.decode(side) in corpus
    assert max(lengths) == 32 and min(lengths) < 32


def test_roberta_has_its_own_special_tokens_and_no_segments(build, roberta):
    records = Records(build(tokenizer=roberta))
    manifest, ids = records.manifest, records[0]["input_ids"].tolist()
    assert not manifest["segments"] and manifest["pad_id"] == 1 and manifest["sep_id"] == 2
    assert ids[0] == 0 and ids[-1] == 2 and ids.count(2) == 3 and "2, 2, " in str(ids)
    assert max(len(record["input_ids"]) for record in records) == 32
    assert not any(record["token_type_ids"].any() for record in records)


def test_large_vocabularies_take_four_bytes(build, tmp_path):
    words = [f"w{number}" for number in range(70_000)]
    wide = make_tokenizer(tmp_path / "wide", BERT, "[CLS]:0 $A:0 [SEP]:0 $B:1 [SEP]:1", words)
    records = Records(build(text="w69999 ka\n\nw1 w69998\n\n" * 2, tokenizer=wide))
    assert records.manifest["dtype"] == "<u4"
    assert 5 + 2 + len(WORDS) + 69_999 in records.batch(range(4))["input_ids"]


def test_the_manifest_tells_what_there_is(build, bert):
    folder = build(shard_records=50)
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["count"] == len(Records(folder)) == sum(shard["count"] for shard in manifest["shards"])
    trained, held = ([s["count"] for s in manifest["shards"] if s["heldout"] is part] for part in (False, True))
    assert {*trained[:-1], *held[:-1]} == {50} and sum(held) == manifest["heldout"] > 0
    expected = {"pad_id": 0, "cls_id": 2, "sep_id": 3, "mask_id": 4, "vocabulary": 7 + len(WORDS), "max_length": 32}
    assert {key: manifest[key] for key in expected} == expected


def test_the_tfrecord_package_reads_the_same(build):
    folder = build(shard_records=10**6)
    records = Records(folder)
    read = [row for number in (0, 1) for row in tfrecord_loader(str(folder / f"0000{number}.tfrecord"), None)]
    assert len(read) == len(records)
    for example, record in zip(read, records, strict=True):
        assert np.frombuffer(example["ids"], "<u2").tolist() == record["input_ids"].tolist()
        assert example["first"].tolist() == [int((record["token_type_ids"] == 0).sum())]


def test_frames_carry_the_checksums_of_tfrecord(tmp_path):
    data = frame(bytes(range(200)), 70)
    assert data[IDS_AT:-4] == bytes(range(200))
    assert data[8:12] == TFRecordWriter.masked_crc(data[:8])
    assert data[-4:] == TFRecordWriter.masked_crc(data[12:-4])
    (tmp_path / "a").write_bytes(data + frame(b"", 2_000_000) + frame(bytes(100_000), 0))
    assert len(list(scan(tmp_path / "a"))) == 3


def test_documents_and_sentences_without_tokens_vanish(build):
    text = "\n\n\n \nba ben\n \nbum\n\n\t\n\n\n\ndo dum\n\n" * 2
    assert build("one", text=text).joinpath("00000.tfrecord").read_bytes() == (
        build("two", text="ba ben\nbum\n\ndo dum\n\n" * 2).joinpath("00000.tfrecord").read_bytes()
    )


@pytest.mark.parametrize(
    "text,message",
    [
        ("", "no text in its 1 files"),
        ("\n\n \n", "no text in"),
        ("ba bo\n\n", "at least 4 documents, .* got 1"),
        ("ba bo\n\n" * 3, "at least 4 documents, .* got 3"),
    ],
)
def test_a_corpus_too_small(build, tmp_path, text, message):
    with pytest.raises(UserError, match=message):
        build(text=text)
    assert [path.name for path in tmp_path.iterdir()] == ["formatted"]


def test_a_folder_without_text_or_tokenizer(build, tmp_path):
    with pytest.raises(UserError, match="nowhere: no such folder"):
        build(tokenizer=tmp_path / "nowhere")
    with pytest.raises(UserError, match="formatted: its tokenizer cannot be loaded"):
        build(tokenizer=tmp_path / "formatted")
    (tmp_path / "formatted/00000.txt").unlink()
    with pytest.raises(UserError, match=r"formatted: no \.txt file"):
        module.build_records(tmp_path / "formatted", tmp_path, tmp_path / "out", 32, 0.1, 9, 0.2, 0, 1)


@pytest.mark.parametrize(
    "pair,message",
    [
        ("$A:0 [SEP]:0 $B:1 [SEP]:1", "expected special tokens before A"),
        ("[CLS]:0 $A:0 [SEP]:0 $B:0 [SEP]:1", "expected token types 0 up to B"),
    ],
)
def test_other_ways_to_join_a_pair(build, tmp_path, pair, message):
    with pytest.raises(UserError, match=message):
        build(tokenizer=make_tokenizer(tmp_path / "other", BERT, pair))


def test_a_tokenizer_without_mask(build, tmp_path):
    special = {key: value for key, value in BERT.items() if key != "mask_token"}
    other = make_tokenizer(tmp_path / "other", special, "[CLS]:0 $A:0 [SEP]:0 $B:1 [SEP]:1")
    with pytest.raises(UserError, match="the tokenizer has no mask token"):
        build(tokenizer=other)
