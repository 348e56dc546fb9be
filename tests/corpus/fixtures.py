"""Records of a tiny corpus, for the tests of those that make and those that read them."""

import pytest
from corpus.tiny_corpus import BERT, ROBERTA, make_tokenizer, sentences

from minimoe.corpus.build import build_records


@pytest.fixture(scope="session")
def bert(tmp_path_factory):
    """The folder of a tokenizer with BERT's special tokens and segments."""
    pair = "[CLS]:0 $A:0 [SEP]:0 $B:1 [SEP]:1"
    return make_tokenizer(tmp_path_factory.mktemp("bert"), BERT, pair)


@pytest.fixture(scope="session")
def roberta(tmp_path_factory):
    """The folder of a tokenizer with RoBERTa's special tokens, without segments."""
    pair = "<s>:0 $A:0 </s>:0 </s>:0 $B:0 </s>:0"
    return make_tokenizer(tmp_path_factory.mktemp("roberta"), ROBERTA, pair)


@pytest.fixture
def build(tmp_path, bert):
    """Builds records of a corpus; arguments replace its values. Returns the records' folder."""

    def build(name="records", text=None, tokenizer=bert, **values):
        (tmp_path / "formatted").mkdir(exist_ok=True)
        (tmp_path / "formatted/00000.txt").write_text(sentences() if text is None else text, encoding="utf-8")
        defaults = {
            "max_length": 32,
            "short_probability": 0.1,
            "shard_records": 100,
            "heldout": 0.2,
            "seed": 776,
            "workers": 1,
        }
        build_records(tmp_path / "formatted", tokenizer, tmp_path / name, **(defaults | values))
        return tmp_path / name

    return build
