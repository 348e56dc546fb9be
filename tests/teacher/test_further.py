"""A further teacher reads the first one's records, so it must know the same tokens by the same numbers."""

import shutil

import pytest
from transformers import AutoModel, AutoTokenizer, BertConfig, BertModel, BertTokenizer

from minimoe.system.errors import UserError
from minimoe.teacher.further import copy_further

SHAPE = {"hidden_size": 16, "num_hidden_layers": 3, "num_attention_heads": 2, "intermediate_size": 24}


@pytest.fixture
def larger(tmp_path, tokenizer):
    """The folder of a model with the first teacher's tokenizer."""
    BertModel(BertConfig(vocab_size=40, max_position_embeddings=32, **SHAPE)).save_pretrained(tmp_path / "larger")
    for path in tokenizer.iterdir():
        shutil.copy(path, tmp_path / "larger")
    return tmp_path / "larger"


@pytest.mark.slow
def test_it_is_a_model_folder_with_the_first_teachers_tokenizer(tmp_path, larger, tokenizer):
    copy_further(str(larger), tokenizer, tmp_path / "out")
    assert AutoModel.from_pretrained(tmp_path / "out").config.num_hidden_layers == 3
    assert AutoTokenizer.from_pretrained(tmp_path / "out").get_vocab()["w7"] == 12


def test_another_vocabulary_is_refused(tmp_path, larger, tokenizer):
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *(f"w{i}" for i in reversed(range(35)))]
    BertTokenizer(vocab={token: i for i, token in enumerate(tokens)}).save_pretrained(larger)
    with pytest.raises(UserError, match="first teacher's vocabulary, 40 tokens; its own has 40, 6 of them the same"):
        copy_further(str(larger), tokenizer, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_model_without_a_tokenizer_is_refused(tmp_path, larger, tokenizer):
    for name in ("tokenizer.json", "vocab.txt"):
        (larger / name).unlink(missing_ok=True)
    with pytest.raises(UserError, match="holds no tokenizer"):
        copy_further(str(larger), tokenizer, tmp_path / "out")
