import pytest
from corpus.tiny_corpus import BERT, make_tokenizer, sentences
from sparsify.sparse import teacher

from minimoe.corpus.build import build_records


@pytest.fixture(scope="session")
def made(tmp_path_factory):
    """A run's folder after the teacher stage: `models/teacher`, a tiny BERT with its tokenizer, and `data/records`."""
    root = tmp_path_factory.mktemp("run")
    model = teacher()
    model.save_pretrained(root / "models" / "teacher")
    make_tokenizer(root / "models" / "teacher", BERT, "[CLS]:0 $A:0 [SEP]:0 $B:1 [SEP]:1")
    (root / "formatted").mkdir()
    (root / "formatted" / "00000.txt").write_text(sentences(), encoding="utf-8")
    values = {
        "max_length": 24,
        "short_probability": 0.1,
        "shard_records": 100,
        "heldout": 0.1,
        "seed": 776,
        "workers": 1,
    }
    build_records(root / "formatted", root / "models" / "teacher", root / "data" / "records", **values)
    return root
