"""Exported encoders of every kind of student: each is made once, when a test asks for it."""

from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import onnx_ir
import pytest
from corpus.fixtures import bert, roberta  # noqa: F401
from corpus.tiny_corpus import sentences
from models.kinds import student
from transformers import AutoTokenizer

from minimoe.corpus.build import build_records
from minimoe.export import graph
from minimoe.export.encoder import export_encoder
from minimoe.models.save import save
from minimoe.models.sentence import SentenceHead, write_head

COST = {"length": 16, "batches": [1, 2], "repeats": 2}
POSITIONS = 40


class Exported(NamedTuple):
    source: Path
    out: Path
    records: Path
    metrics: dict


@pytest.fixture(scope="session")
def dense(encoder):
    """The exported dense encoder, made before a test changes how."""
    return encoder("dense")


@pytest.fixture
def poisoned(monkeypatch):
    """Quantized graphs get a scale that is NaN."""
    quantized = graph._quantized

    def made(model: onnx_ir.Model) -> onnx_ir.Model:
        model = quantized(model)
        scale = next(one for name, one in model.graph.initializers.items() if name.endswith("_scale"))
        scale.const_value = onnx_ir.tensor(np.full_like(scale.const_value.numpy(), np.nan), name=scale.name)
        return model

    monkeypatch.setattr(graph, "_quantized", made)


@pytest.fixture(scope="session")
def encoder(tmp_path_factory, bert, roberta):  # noqa: F811
    """Gives the exported encoder of a kind; `sentence` is a dense one with modules for sentence embeddings."""
    root = tmp_path_factory.mktemp("export")
    (root / "formatted").mkdir()
    (root / "formatted/00000.txt").write_text(sentences(), encoding="utf-8")

    @cache
    def records(tokenizer: Path) -> Path:
        out, settings = root / f"records-{tokenizer.name}", {"shard_records": 100, "heldout": 0.2, "seed": 776}
        build_records(root / "formatted", tokenizer, out, max_length=32, short_probability=0.3, workers=1, **settings)
        return out

    @cache
    def make(kind: str) -> Exported:
        tokenizer = roberta if "roberta" in kind else bert
        folder, out = root / kind / "model", root / kind / "exported"
        words = AutoTokenizer.from_pretrained(tokenizer)
        shape = {"vocab_size": len(words), "max_position_embeddings": POSITIONS}
        save(student("dense" if kind == "sentence" else kind, **shape), folder)
        words.save_pretrained(folder)
        if kind == "sentence":
            write_head(SentenceHead(24, normalize=True, length=32), folder)
        made = records(tokenizer)
        return Exported(folder, out, made, export_encoder(folder, made, out, **COST))

    return make
