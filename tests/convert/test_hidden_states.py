"""What is converted computes what the published implementation computed (tests/data/goldens)."""

import json

import goldens
import pytest
import torch
from convert.released import (
    MINILM,
    MINIMOE,
    ONCE_FOR_ALL,
    ROBERTA,
    SPARSE,
    SPARSE_TEACHER,
    TINYBERT,
    config,
    folder,
    release,
    weights,
)
from transformers import AutoModel, BertModel, MegatronBertConfig, MegatronBertModel, RobertaModel

from minimoe.convert.checkpoint import convert
from minimoe.convert.encoders import _kept
from minimoe.models import MiniMoEModel

DTYPES = [torch.float32, torch.float64]
CLASSES = {ROBERTA: RobertaModel, "moebert_minilm_1_4E": MiniMoEModel, "moebert_minilm_2_4E": MiniMoEModel}


@torch.no_grad()
def outputs(path, inputs):
    return AutoModel.from_pretrained(path).eval()(**inputs, output_hidden_states=True)


def assert_equal(ours, published):
    assert ours.dtype == published.dtype
    assert goldens.error(ours, published) < goldens.tolerance(ours.dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", [MINILM, ROBERTA, *MINIMOE])
def test_dense_students_and_experts(tmp_path, name, dtype):
    convert(release(tmp_path / "released", name, dtype), tmp_path / "ours")
    model = AutoModel.from_pretrained(tmp_path / "ours")
    assert type(model) is CLASSES.get(name, BertModel)
    inputs, published = goldens.tensors(name, "inputs"), goldens.outputs(name, dtype)
    ours = outputs(tmp_path / "ours", inputs)
    assert_equal(ours.last_hidden_state, published["last_hidden_state"])
    assert_equal(ours.hidden_states[1], published["hidden_states.1"])


@pytest.mark.parametrize("dtype", DTYPES)
def test_tinybert(tmp_path, dtype):
    convert(release(tmp_path / "released", TINYBERT, dtype), tmp_path / "ours")
    inputs, transform = goldens.tensors(TINYBERT, "inputs"), weights(TINYBERT, dtype)
    states = outputs(tmp_path / "ours", inputs).hidden_states
    layers = torch.stack([states[0], states[-1]], 1)  # the published output is their valid positions, widened
    valid = layers[inputs["attention_mask"][:, None].expand(layers.shape[:-1]).bool()]
    wide = valid @ transform["hidden_transform.weight"].T + transform["hidden_transform.bias"]
    assert_equal(wide, goldens.outputs(TINYBERT, dtype)["student.hidden_states"])


def relations(name, hidden, mask, dtype):
    """Published relations [rows of valid positions, T] of last hidden states [B, T, D], by the extra projection."""
    heads, extra = goldens.config(name)["num_relation_heads"], weights(name, dtype)
    for kind, part in {"qq": "query", "kk": "key", "vv": "value"}.items():
        projected = hidden @ extra[f"self.{part}.weight"].T + extra[f"self.{part}.bias"]
        cut = projected.unflatten(-1, (heads, -1)).transpose(1, 2)
        scores = cut @ cut.transpose(-1, -2) / cut.shape[-1] ** 0.5 + (~mask[:, None, None]) * -10000.0
        yield f"{kind}_relations", scores.softmax(-1)[mask[:, None].expand(scores.shape[:-1])]


@pytest.mark.parametrize("dtype", DTYPES)
def test_sparse_student(tmp_path, dtype):
    convert(release(tmp_path / "released", SPARSE, dtype), tmp_path / "ours")
    inputs, published = goldens.tensors(SPARSE, "inputs"), goldens.outputs(SPARSE, dtype)
    hidden = outputs(tmp_path / "ours", inputs).last_hidden_state
    if "last_hidden_state" in published:  # in fp32 alone
        assert_equal(hidden, published["last_hidden_state"])
    for key, ours in relations(SPARSE, hidden, inputs["attention_mask"], dtype):
        assert_equal(ours, published[key])


@pytest.mark.parametrize("sparsity", ["10", "50", "90", "95", "98", "99"])
def test_any_sparsity_also_without_heads(tmp_path, sparsity):
    """The published teacher cut by the published shapes; from 98 on a layer has no head."""
    shapes = json.loads((goldens.FOLDER / SPARSE_TEACHER / "densified_shapes.json").read_text())[sparsity]
    whole = weights(SPARSE_TEACHER)
    cut = {name: whole[name][tuple(map(slice, shape))] for name, shape in shapes.items() if name.startswith("bert.")}
    projection = {name: value for name, value in weights(SPARSE).items() if name.startswith("self.")}
    convert(folder(tmp_path / "released", config(SPARSE), cut | projection), tmp_path / "ours")
    assert (0 in AutoModel.from_pretrained(tmp_path / "ours").config.layer_heads) == (sparsity >= "98")
    hidden = outputs(tmp_path / "ours", first_batch()).last_hidden_state
    assert_equal(hidden, goldens.tensors(SPARSE_TEACHER, "densified_outputs")[f"{sparsity}/last_hidden_state"])


def test_reordered_teacher(tmp_path, capsys):
    convert(release(tmp_path / "released", SPARSE_TEACHER), tmp_path / "ours")
    hidden = outputs(tmp_path / "ours", first_batch()).last_hidden_state
    assert_equal(hidden, goldens.tensors(SPARSE_TEACHER, "outputs")["last_hidden_state_reordered"])
    assert json.loads((tmp_path / "ours" / "sparsity_map.json").read_text()) == config(SPARSE_TEACHER)["sparsity_map"]
    assert "left out: its MLM head" in capsys.readouterr().out


def first_batch():
    batch = goldens.tensors(SPARSE_TEACHER, "inputs")
    names = {"input_ids": "text_indices", "attention_mask": "text_mask", "token_type_ids": "text_segments"}
    return {ours: batch[f"{published}.0"] for ours, published in names.items()}


@pytest.mark.slow
@pytest.mark.parametrize("dtype", DTYPES)
def test_every_once_for_all_student(tmp_path, dtype):
    convert(release(tmp_path / "released", ONCE_FOR_ALL, dtype), tmp_path / "ours")
    inputs, published = goldens.tensors(ONCE_FOR_ALL, "inputs"), goldens.outputs(ONCE_FOR_ALL, dtype)
    assert len(list((tmp_path / "ours").iterdir())) == 12
    for path in sorted((tmp_path / "ours").iterdir()):
        layers, width = (int(part[:-1]) for part in path.name.split("-"))
        assert type(AutoModel.from_pretrained(path)) is (BertModel if layers == 3 else MiniMoEModel)
        hidden = outputs(path, inputs).last_hidden_state
        assert hidden.shape[-1] == width
        wide = torch.nn.functional.pad(hidden, (0, 48 - width))
        ours = {"last_hidden_state": wide}
        ours |= dict(relations(ONCE_FOR_ALL, wide, inputs["attention_mask"], dtype))
        for key in ours.keys() & {key.split("/")[1] for key in published if key.startswith(f"{layers},{width}/")}:
            assert_equal(ours[key], published[f"{layers},{width}/{key}"])


def test_megatron_bert(tmp_path):
    shape = {
        key: config(MINILM)[key] for key in ("vocab_size", "hidden_size", "num_hidden_layers", "intermediate_size")
    }
    teacher = MegatronBertModel(MegatronBertConfig(**shape, num_attention_heads=4, max_position_embeddings=32)).eval()
    values = shape | {"model_type": "megatron-bert", "num_attention_heads": 4, "max_position_embeddings": 32}
    named = {f"bert.{name}": weight for name, weight in teacher.state_dict().items()}
    convert(folder(tmp_path / "released", values, named), tmp_path / "ours")
    inputs = goldens.tensors(MINILM, "inputs")
    assert torch.equal(outputs(tmp_path / "ours", inputs).last_hidden_state, teacher(**inputs).last_hidden_state)


def test_published_sizes_are_cut_in_steps_of_eight_to_the_nearest():
    assert [_kept(64, removed) for removed in (0, 3, 5, 12, 13, 20)] == [64, 64, 56, 48, 48, 48]


def test_the_routers_noise_is_the_published_dropout(tmp_path):
    folder(tmp_path / "released", config(MINIMOE[1]) | {"hidden_dropout_prob": 0.25}, weights(MINIMOE[1]))
    convert(tmp_path / "released", tmp_path / "ours")
    assert json.loads((tmp_path / "ours/config.json").read_text())["router_noise"] == 0.25
