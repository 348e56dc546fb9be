"""Documents held out of training: no sentence of theirs comes to a training record."""

import functools

import numpy as np
import pytest
from corpus.tiny_corpus import BERT, make_tokenizer

from minimoe.corpus import build as module
from minimoe.corpus import pairs as pairs_module
from minimoe.corpus import tokenize as tokens
from minimoe.corpus.chunks import chunks
from minimoe.corpus.holdout import Without, hold_out
from minimoe.records.dataset import Records

SPECIAL = 5  # ids of special tokens come first


@pytest.fixture
def unique(build, tmp_path, monkeypatch):
    """Builds records of a corpus in which every word stands once, and so every sentence."""
    monkeypatch.setattr(tokens, "chunks", functools.partial(chunks, size=500))
    monkeypatch.setattr(module, "TASK_TOKENS", 200)
    rng, words, text = np.random.default_rng(0), [], ""
    for _ in range(40):
        for _ in range(rng.integers(1, 9)):
            sentence = [f"w{len(words) + n}" for n in range(rng.integers(3, 12))]
            words += sentence
            text += " ".join(sentence) + "\n"
        text += "\n"
    wide = make_tokenizer(tmp_path / "wide", BERT, "[CLS]:0 $A:0 [SEP]:0 $B:1 [SEP]:1", words)
    return functools.partial(build, text=text, tokenizer=wide)


def sides(folder):
    """The words that stand in training records, and those in held-out ones."""
    records = Records(folder)
    return [
        {token for number in part for token in records[number]["input_ids"].tolist() if token >= SPECIAL}
        for part in (records.training, records.heldout)
    ]


@pytest.mark.parametrize("share", [0.01, 0.1, 0.5])
def test_no_sentence_is_on_both_sides(unique, share):
    trained, held = sides(unique(heldout=share, shard_records=7))
    assert trained and held and not trained & held


def test_the_check_sees_a_b_from_across_the_border(unique, monkeypatch):
    elsewhere = pairs_module._elsewhere

    def across(place, part, starts, documents, count, rng):
        return elsewhere(place, range(len(documents) - 1), starts, documents, count, rng)

    monkeypatch.setattr(pairs_module, "_elsewhere", across)
    trained, held = sides(unique(heldout=0.1))
    assert trained & held


def test_held_out_records_are_the_last_and_in_shards_of_their_own(unique):
    records = Records(unique(heldout=0.2, shard_records=10))
    flags = [shard["heldout"] for shard in records.manifest["shards"]]
    assert flags == sorted(flags) and flags.count(True) > 1 and flags.count(False) > 1
    assert [*records.training, *records.heldout] == list(range(len(records)))
    assert len(records.heldout) == records.manifest["heldout"]


@pytest.mark.parametrize("documents,share,held", [(4, 0.001, 2), (4, 0.5, 2), (5, 0.5, 2), (1000, 0.1, 100)])
def test_a_share_of_the_documents_two_at_least_on_either_side(documents, share, held):
    training, heldout = hold_out(documents, share, 776)
    assert len(heldout) == held and len(training) == documents - held
    assert sorted([*training, *heldout]) == list(range(documents))
    assert list(training) == sorted(training) and list(heldout) == sorted(heldout)


def test_the_seed_draws_the_documents():
    drawn = [tuple(hold_out(1000, 0.1, seed).heldout) for seed in (0, 1, 0)]
    assert drawn[0] == drawn[2] != drawn[1]
    assert len(set(drawn[0]) & set(drawn[1])) < 30  # 10 of 100 by chance


@pytest.mark.parametrize("left_out", [[], [0], [9], [0, 1, 2], [3, 4, 8], list(range(9))])
def test_numbers_without_some(left_out):
    assert list(Without(10, left_out)) == [number for number in range(10) if number not in left_out]


def test_two_documents_are_left_to_train_on():
    """A random B comes from another document of the same part."""
    for share in (0.9, 1.0):
        training, heldout = hold_out(5, share, 1)
        assert len(training) == 2 and len(heldout) == 3


def test_which_documents_are_held_out_stays_the_same():
    """They are drawn by a number that no document has: else the draws would be those of that document's pairs."""
    assert hold_out(100, 0.05, 776).heldout == [13, 49, 56, 60, 90]
