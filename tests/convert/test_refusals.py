"""What is no released checkpoint, or not a whole one, gets one clear line, and nothing is written."""

import json
import os

import pytest
import torch
from convert.released import MINILM, ONCE_FOR_ALL, SPARSE, SPARSE_TEACHER, config, folder, release, weights

from minimoe.convert.checkpoint import convert
from minimoe.system.errors import UserError

MINIMOE = "moebert_minilm_1_4E"


def refusal(source, out) -> str:
    """The one line that `convert` ends with."""
    before = out.exists()
    with pytest.raises(UserError) as error:
        convert(source, out)
    assert out.exists() == before
    assert not list(out.parent.glob(f".{out.name}*"))
    message = str(error.value)
    assert len(message.splitlines()) == 1
    return message


def test_a_source_that_is_not_there(tmp_path):
    assert "no such folder" in refusal(tmp_path / "nowhere", tmp_path / "ours")


@pytest.mark.parametrize("file", ["config.json", "pytorch_model.bin", "vocab.txt"])
def test_a_missing_file(tmp_path, file):
    release(tmp_path / "released", MINILM)
    (tmp_path / "released" / file).unlink()
    assert file in refusal(tmp_path / "released", tmp_path / "ours")


@pytest.mark.parametrize("text", ["{", "[1]", "\udcff"])
def test_a_config_that_is_none(tmp_path, text):
    release(tmp_path / "released", MINILM)
    (tmp_path / "released" / "config.json").write_bytes(text.encode(errors="surrogateescape"))
    assert "config.json: expected" in refusal(tmp_path / "released", tmp_path / "ours")


@pytest.mark.parametrize("content", [b"", b"version https://git-lfs.github.com/spec/v1\n", b"PK\x03\x04 cut off"])
@pytest.mark.parametrize("file", ["pytorch_model.bin", "model.safetensors"])
def test_weights_that_cannot_be_read(tmp_path, file, content):
    release(tmp_path / "released", MINILM)
    (tmp_path / "released" / file).write_bytes(content)
    assert f"{file}: cannot be read as weights" in refusal(tmp_path / "released", tmp_path / "ours")


class Code:
    def __reduce__(self):
        return os.mkdir, ("run",)


def test_code_in_a_pickle_is_not_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder(tmp_path / "released", config(MINILM), weights(MINILM) | {"bert.code": Code()})
    assert "code in a pickle is not run" in refusal(tmp_path / "released", tmp_path / "ours")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("content", [[torch.ones(2)], {"bert": {"weight": torch.ones(2)}}, {3: torch.ones(2)}])
def test_a_pickle_of_something_else(tmp_path, content):
    folder(tmp_path / "released", config(MINILM), content)
    assert "expected a tensor under every name" in refusal(tmp_path / "released", tmp_path / "ours")


def test_an_output_that_holds_files(tmp_path):
    release(tmp_path / "released", MINILM)
    (tmp_path / "ours").mkdir()
    (tmp_path / "ours" / "thesis.txt").write_text("mine")
    assert "exists" in refusal(tmp_path / "released", tmp_path / "ours")
    assert (tmp_path / "ours" / "thesis.txt").read_text() == "mine"
    assert "exists" in refusal(tmp_path / "released", tmp_path / "released" / "config.json")


@pytest.mark.parametrize(
    "change",
    [
        {"model_type": "gpt2"},
        {"model_type": None},
        {"moe": "1,4"},  # without the projection of a minimoe
        {"sparsity_map": {"3,384": {}}},
    ],
)
def test_an_unknown_kind_lists_the_known_ones(tmp_path, change):
    folder(tmp_path / "released", config(MINILM) | change, weights(MINILM))
    message = refusal(tmp_path / "released", tmp_path / "ours")
    assert "unknown kind" in message
    for known in ("minilm", "tinybert", "minimoe", "sparsebert", "sparsebert-minilm", "ofabert-minilm"):
        assert f"{known} (" in message


def test_a_finetuned_model_is_of_no_kind(tmp_path):
    folder(tmp_path / "released", config(MINILM), weights(MINILM) | {"classifier.weight": torch.ones(2, 24)})
    assert "encoder with classifier.*" in refusal(tmp_path / "released", tmp_path / "ours")


WORDS = "bert.embeddings.word_embeddings.weight"
QUERY = "bert.encoder.layer.1.attention.self.query.weight"


@pytest.mark.parametrize("name", [MINILM, MINIMOE, SPARSE, ONCE_FOR_ALL])
@pytest.mark.parametrize("missing", [WORDS, QUERY, "bert.pooler.dense.bias"])
def test_a_missing_weight(tmp_path, name, missing):
    found = weights(name)
    del found[missing]
    folder(tmp_path / "released", config(name), found)
    assert missing in refusal(tmp_path / "released", tmp_path / "ours")


@pytest.mark.parametrize("name", [MINILM, MINIMOE, SPARSE, ONCE_FOR_ALL])
def test_an_unexpected_weight(tmp_path, name):
    extra = {"bert.encoder.layer.7.output.dense.bias": torch.ones(4)}
    folder(tmp_path / "released", config(name), weights(name) | extra)
    message = refusal(tmp_path / "released", tmp_path / "ours")
    assert "bert.encoder.layer.7.output.dense.bias is unexpected; of its weights 1 do not fit" in message


@pytest.mark.parametrize("name", [MINILM, MINIMOE, SPARSE, ONCE_FOR_ALL])
def test_a_weight_of_another_shape(tmp_path, name):
    found = weights(name)
    found["bert.pooler.dense.weight"] = torch.ones(3, 5)
    folder(tmp_path / "released", config(name), found)
    assert "bert.pooler.dense.weight: expected (" in refusal(tmp_path / "released", tmp_path / "ours")


@pytest.mark.parametrize(
    ("name", "key", "value"),
    [
        (MINILM, "hidden_size", "24"),
        (MINILM, "num_hidden_layers", None),
        (MINILM, "hidden_size", 25),  # not a multiple of the heads
        (MINILM, "hidden_act", "no such"),
        (MINILM, "layer_norm_eps", "small"),
        (MINIMOE, "moe", "1;4"),
        (MINIMOE, "moe", "0,4"),
        (MINIMOE, "moe", 4),
        (MINIMOE, "attention_head_size", "4"),
        (SPARSE, "hidden_size", 40),  # fewer than there are places
        (SPARSE_TEACHER, "sparsity_map", None),
        (ONCE_FOR_ALL, "sparsity_map", {"3,48": {"head": {}}}),
        (ONCE_FOR_ALL, "sparsity_map", {"3,48": {"head": {"0": "4"}, "hidden": {}, "neuron": {}}}),
        (ONCE_FOR_ALL, "sparsity_map", {"3,32": {"head": {}, "hidden": {}, "neuron": {}}}),  # removes nothing
        (ONCE_FOR_ALL, "sparsity_map", {"3,32": {"head": {}, "hidden": {"0": 16}, "neuron": {}}}),  # of one layer alone
    ],
)
def test_a_config_that_does_not_fit(tmp_path, name, key, value):
    values = config(name) | {key: value}
    folder(tmp_path / "released", values | {"vocab_size": 128}, weights(name))
    assert key in refusal(tmp_path / "released", tmp_path / "ours") or key == "hidden_size"


@pytest.mark.parametrize("broken", [torch.zeros(48), torch.arange(48).bfloat16() * 10, torch.ones(48, 2)])
def test_places_that_are_none(tmp_path, broken):
    folder(tmp_path / "released", config(SPARSE), weights(SPARSE) | {"bert.recover_indices": broken})
    assert "recover_indices: expected" in refusal(tmp_path / "released", tmp_path / "ours")


def test_once_for_all_students_in_another_order(tmp_path):
    found = weights(ONCE_FOR_ALL)
    found["bert.recover_indices"] = found["bert.recover_indices"].flip(0)
    folder(tmp_path / "released", config(ONCE_FOR_ALL), found)
    assert "in their own order" in refusal(tmp_path / "released", tmp_path / "ours")


def test_a_tokenizer_of_another_model(tmp_path):
    release(tmp_path / "released", MINILM)
    with (tmp_path / "released" / "vocab.txt").open("a") as file:
        file.write("more\n")
    assert "129 tokens, its embeddings 128" in refusal(tmp_path / "released", tmp_path / "ours")


def test_a_tokenizer_without_its_merges(tmp_path):
    release(tmp_path / "released", MINILM)
    (tmp_path / "released" / "vocab.txt").rename(tmp_path / "released" / "vocab.json")
    assert "vocab.json and merges.txt" in refusal(tmp_path / "released", tmp_path / "ours")


def test_a_damaged_tokenizer(tmp_path):
    release(tmp_path / "released", MINILM)
    (tmp_path / "released" / "tokenizer.json").write_text(json.dumps({"model": 3}))
    assert "tokenizer cannot be loaded" in refusal(tmp_path / "released", tmp_path / "ours")
