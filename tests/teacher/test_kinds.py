"""Every kind of encoder is taken as a teacher, from a folder as it is published."""

import backbones
import pytest
import torch
from transformers import AutoModel, AutoModelForMaskedLM, AutoModelForPreTraining, AutoTokenizer

from minimoe.system.errors import UserError
from minimoe.teacher.copy import copy_teacher
from minimoe.teacher.tokenizer import copy_tokenizer

every_kind = pytest.mark.parametrize("kind", backbones.CONFIGS)


@pytest.fixture
def published(kind, tmp_path):
    """With the head it was pretrained with."""
    auto = AutoModelForPreTraining if "electra" in kind else AutoModelForMaskedLM
    return backbones.save(kind, tmp_path / "published", auto=auto)


def copied(published, out):
    copy_tokenizer(str(published), out / "tokenizer")
    copy_teacher(str(published), out / "tokenizer", out / "teacher")
    return out / "teacher"


@pytest.mark.slow
@every_kind
def test_copied_whole(kind, published, tmp_path):
    teacher = copied(published, tmp_path)
    tokenizers = [AutoTokenizer.from_pretrained(folder) for folder in (published, teacher)]
    pairs = [tokenizer(*backbones.TEXT.splitlines()[:2], return_tensors="pt") for tokenizer in tokenizers]
    if kind != "eurobert":  # whose tokenizer learns to mark the end of a text
        assert torch.equal(pairs[0]["input_ids"], pairs[1]["input_ids"])
    assert tokenizers[1].all_special_ids == tokenizers[0].all_special_ids
    short = {key: value[:, : backbones.TOKENS] for key, value in pairs[0].items()}
    states = [AutoModel.from_pretrained(folder).eval()(**short).last_hidden_state for folder in (published, teacher)]
    assert torch.equal(*states)
    assert (teacher / "model.safetensors").read_bytes() == (published / "model.safetensors").read_bytes()


@pytest.mark.slow
@every_kind
def test_pickled_weights_with_all_that_old_ones_hold(kind, published, tmp_path):
    """Positions were stored once, and tied weights twice."""
    auto = AutoModelForPreTraining if "electra" in kind else AutoModelForMaskedLM
    model = auto.from_pretrained(published)
    prefix = model.base_model_prefix
    positions = {f"{prefix}.embeddings.position_ids": torch.arange(backbones.TOKENS)[None]}
    torch.save(model.state_dict() | positions, published / "pytorch_model.bin")
    (published / "model.safetensors").unlink()
    teacher = auto.from_pretrained(copied(published, tmp_path)).state_dict()
    assert all(torch.equal(weight, teacher[key]) for key, weight in model.state_dict().items())


def test_a_tokenizer_that_marks_beginnings_alone_gets_berts_pairs(tmp_path):
    """EuroBERT's names the two [CLS] and [SEP] by their place: bos and eos."""
    published = backbones.save("eurobert", tmp_path / "published")
    before = AutoTokenizer.from_pretrained(published)
    copy_tokenizer(str(published), tmp_path / "tokenizer")
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "tokenizer")
    a, b = (before(text, add_special_tokens=False)["input_ids"] for text in ("ann eats", "bob"))
    assert before("ann eats", "bob")["input_ids"] == [1, *a, 1, *b]
    assert tokenizer("ann eats", "bob")["input_ids"] == [1, *a, 2, *b, 2]
    assert tokenizer("ann eats")["input_ids"] == [1, *a, 2]
    assert (tokenizer.cls_token_id, tokenizer.sep_token_id) == (before.bos_token_id, before.eos_token_id) == (1, 2)


def test_roberta_with_its_vocabulary_in_two_files(tmp_path):
    published = backbones.save("roberta", tmp_path / "published")
    whole = AutoTokenizer.from_pretrained(published)
    whole.backend_tokenizer.model.save(str(published))  # vocab.json, merges.txt
    (published / "tokenizer.json").unlink()
    copy_tokenizer(str(published), tmp_path / "tokenizer")
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "tokenizer")
    assert tokenizer(backbones.TEXT)["input_ids"] == whole(backbones.TEXT)["input_ids"]
    assert tokenizer.mask_token_id == whole.mask_token_id


@pytest.mark.parametrize("kind", ["megatron-bert", "xlm-roberta"])
def test_weights_that_are_not_there_are_named(kind, published, tmp_path):
    weights = AutoModel.from_pretrained(published).state_dict()
    torch.save(
        {key: value for key, value in weights.items() if "layer.1.attention" not in key},
        published / "pytorch_model.bin",
    )
    (published / "model.safetensors").unlink()
    with pytest.raises(UserError, match=r"weights are missing, encoder\.layer\.1\.attention"):
        copied(published, tmp_path)
