"""Records and masks with the tokenizers of RoBERTa (byte-level BPE) and XLM-R (Unigram)."""

import backbones
import numpy as np
import pytest
import torch
from transformers import AutoTokenizer

from minimoe.records.dataset import Records
from minimoe.records.masking import IGNORED, MaskedBatches

SENTENCES = ["ann eats", "bob sees ann .", "the film is good .", "the play is in rome .", "bob eats , and ann sees ."]
DOCUMENTS = ["\n".join(SENTENCES[at % 5 :][: at % 4 + 1]) for at in range(40)]
both = pytest.mark.parametrize("kind", ["roberta", "xlm-roberta"])


@pytest.fixture
def made(kind, build, tmp_path):
    """The records and the tokenizer that they were made with."""
    backbones.make_tokenizer(kind).save_pretrained(tmp_path / kind)
    folder = build(
        text="\n\n".join(DOCUMENTS) + "\n",
        tokenizer=tmp_path / kind,
        short_probability=0.5,
        max_length=backbones.TOKENS,
    )
    return Records(folder), AutoTokenizer.from_pretrained(tmp_path / kind)


@both
def test_pairs_have_the_tokenizers_special_tokens_and_no_segments(made):
    records, tokenizer = made
    corpus = "".join("\n\n".join(DOCUMENTS).split())
    for record in records:
        tokens = tokenizer.convert_ids_to_tokens(record["input_ids"])
        between = tokens.index("</s>")
        special = [at for at, token in enumerate(tokens) if token in tokenizer.all_special_tokens]
        assert special == [0, between, between + 1, len(tokens) - 1]
        assert [tokens[at] for at in special] == ["<s>", "</s>", "</s>", "</s>"]
        for side in (record["input_ids"][1:between], record["input_ids"][between + 2 : -1]):
            assert len(side) and "".join(tokenizer.decode(side).split()) in corpus
        assert not record["token_type_ids"].any()
    lengths = [len(record["input_ids"]) for record in records]
    assert max(lengths) == backbones.TOKENS > min(lengths)


@both
def test_a_pair_is_as_the_tokenizer_itself_makes_it(made):
    records, tokenizer = made
    whole = [record["input_ids"] for record in records]
    pairs = [tuple(tokenizer(a, b)["input_ids"]) for a in SENTENCES for b in SENTENCES]
    assert sum(tuple(ids.tolist()) in pairs for ids in whole) > 10  # those of two whole sentences


@both
def test_the_manifest_and_padding_are_the_tokenizers(made):
    records, tokenizer = made
    names = {"pad_id": "<pad>", "mask_id": "<mask>", "cls_id": "<s>", "sep_id": "</s>"}
    assert {key: records.manifest[key] for key in names} == {
        key: tokenizer.convert_tokens_to_ids(token) for key, token in names.items()
    }
    assert records.manifest["vocabulary"] == len(tokenizer)
    batch = records.batch(range(len(records)))
    assert (batch["attention_mask"] == 0).any()
    assert torch.equal(batch["input_ids"] == tokenizer.pad_token_id, batch["attention_mask"] == 0)
    assert not batch["token_type_ids"].any()  # all of the one type that there is


@both
def test_masks_are_the_tokenizers_and_special_tokens_stay(made):
    records, tokenizer = made
    rows = np.tile(np.arange(len(records)), 20)
    batch = records.batch(rows)
    masked = MaskedBatches(records, tokenizer, seed=1).batch(rows, 0)
    ids, chosen = masked["input_ids"], masked["labels"] != IGNORED
    framing = tokenizer.convert_tokens_to_ids(["<s>", "</s>", "<pad>", "<mask>"])
    special = torch.isin(batch["input_ids"], torch.tensor(framing))
    assert chosen.any(1).all() and not chosen[special].any()
    assert torch.equal(ids[special], batch["input_ids"][special])
    assert torch.equal(masked["labels"][chosen], batch["input_ids"][chosen])
    assert (ids[chosen] == tokenizer.mask_token_id).float().mean() == pytest.approx(0.8, abs=0.05)
    changed = chosen & (ids != tokenizer.mask_token_id) & (ids != batch["input_ids"])
    assert changed.any() and not torch.isin(ids[changed], torch.tensor(framing)).any()
