"""Every kind of student as ONNX: the same outputs for every shape and routing, and int8 in every weight."""

import errno
import inspect
import json
import os

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from export.conftest import COST, POSITIONS
from models.kinds import KINDS
from transformers import AutoModel, AutoTokenizer

from minimoe.export import check, graph
from minimoe.export.encoder import export_encoder
from minimoe.export.graph import FP32, INT8
from minimoe.export.session import OnnxModel
from minimoe.models import routing
from minimoe.models.routing import Router
from minimoe.models.sentence import read_head
from minimoe.system.errors import UserError

TEXTS = ["a film", "ann sees the film in paris and bob sees it in rome"]
FAST = ("dense", "experts-1,4")  # the kinds that make test exports as well
LOADED = [kind if kind in FAST else pytest.param(kind, marks=pytest.mark.slow) for kind in [*KINDS, "sentence"]]
EXPERTS = [kind for kind in KINDS if "experts" in kind]


def difference(made, batch) -> float:
    """The largest, relative, between the encoder in PyTorch and its fp32 graph, at real tokens."""
    model = AutoModel.from_pretrained(made.source).eval()
    given = {name: torch.from_numpy(values) for name, values in batch.items()}
    with torch.no_grad():
        wanted = model(**given).last_hidden_state
    got = torch.from_numpy(onnxruntime.InferenceSession(made.out / FP32).run(["last_hidden_state"], batch)[0])
    real = given["attention_mask"].bool()
    return ((got - wanted)[real].abs().max() / wanted[real].abs().max()).item()


def sequences(made, size: int, length: int) -> dict[str, np.ndarray]:
    tokenizer = AutoTokenizer.from_pretrained(made.source)
    names = tokenizer.model_input_names
    ids = np.random.default_rng(size).integers(5, len(tokenizer), (size, length))
    mask = np.ones_like(ids)
    mask[1:, length // 2 + 1 :] = 0
    return {name: {"input_ids": ids, "attention_mask": mask}.get(name, np.zeros_like(ids)) for name in names}


@pytest.mark.slow
@pytest.mark.parametrize("kind", [*KINDS, "sentence"])
def test_outputs_are_those_of_pytorch(kind, encoder):
    made = encoder(kind)
    assert made.metrics["error"] < 2e-6
    assert made.metrics["rerouted"] == 0
    assert made.metrics["cosine"] > 0.99
    longest = POSITIONS - 2 * ("roberta" in kind)  # behind the padding's
    for size, length in ((1, 1), (1, longest), (2, 3), (5, 17), (32, longest)):
        assert difference(made, sequences(made, size, length)) < 2e-6


@pytest.mark.parametrize("kind", LOADED)
def test_a_folder_loads_with_its_tokenizer_in_a_line(kind, encoder):
    made = encoder(kind)
    session = onnxruntime.InferenceSession(made.out / INT8)
    tokens = AutoTokenizer.from_pretrained(made.out)(TEXTS, padding=True, return_tensors="np")
    states = session.run(None, dict(tokens))[0]
    assert states.shape == (2, tokens["input_ids"].shape[1], 24)
    own, config = (json.loads((folder / "config.json").read_text()) for folder in (made.source, made.out))
    assert config == {key: value for key, value in own.items() if key != "auto_map"}
    assert {path.name for path in made.out.iterdir()} == {
        path.name for path in made.source.iterdir() if path.suffix not in (".safetensors", ".py")
    } | {"onnx"}


@pytest.mark.slow
@pytest.mark.parametrize("kind", EXPERTS)
def test_every_matrix_is_in_int8_but_routers(kind, encoder):
    made = encoder(kind)
    config = AutoModel.from_pretrained(made.source).config
    weights = {weight.name: weight for weight in onnx.load(made.out / INT8).graph.initializer}
    matrices = [weight for weight in weights.values() if len(weight.dims) == 2]
    floats = sum(np.prod(w.dims) for w in matrices if w.data_type == onnx.TensorProto.FLOAT)
    attention, ffn = (sum(experts) for experts in (config.attention_experts, config.ffn_experts))
    routers = sum(
        24 * n for n in (attention, ffn) if n > config.num_hidden_layers and config.expert_router == "learned"
    )
    own, shared = config.expert_neurons[0], config.num_hidden_layers * config.ffn_shared
    biases = (4 * 24 * attention if attention > config.num_hidden_layers else 0) + (
        (own + 24) * ffn if ffn > config.num_hidden_layers else 0
    )
    assert floats == routers + biases
    counted = [w for w in matrices if w.data_type == onnx.TensorProto.INT8]
    wanted = attention * 4 * 24 * 24 + 2 * 24 * (ffn * own + shared)
    assert sum(np.prod(w.dims) for w in counted) == wanted
    assert not any(len(w.dims) == 3 for w in weights.values())
    assert "/" not in "".join(entry.value for node in onnx.load(made.out / FP32).graph.node
                              for entry in node.metadata_props)  # no path of this machine  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["experts-2,4", "experts-roberta", "experts-fine"])
@pytest.mark.parametrize("chosen", [0, 1, None])
def test_every_routing(kind, chosen, encoder, tmp_path):
    """All tokens at one expert, the others without any; and every expert with some, in a trace that saw it so."""
    source = encoder(kind)
    model, tokenizer = AutoModel.from_pretrained(source.source).eval(), AutoTokenizer.from_pretrained(source.source)
    for module in model.modules():
        if isinstance(module, Router) and chosen is not None:
            module.weight.data.zero_()
            module.bias.data.zero_()[chosen] = 9.0
        elif isinstance(module, Router):
            module.weight.data.mul_(30)
    model.save_pretrained(tmp_path / "model")
    tokenizer.save_pretrained(tmp_path / "model")
    routed = export_encoder(tmp_path / "model", source.records, tmp_path / "out", **COST)
    assert routed["error"] < 2e-6
    assert routed["cosine"] > 0.99
    if chosen is not None:  # what the trace saw goes to one expert; the graph takes other tokens to others
        with torch.no_grad():
            session = onnxruntime.InferenceSession(tmp_path / "out" / FP32)
        assert session.run(None, sequences(source, 1, 1))[0].shape == (1, 1, 24)


@pytest.mark.slow
def test_sentence_embeddings(encoder):
    made = encoder("sentence")
    session = onnxruntime.InferenceSession(made.out / FP32)
    assert [one.name for one in session.get_outputs()] == ["last_hidden_state", "sentence_embedding"]
    tokens = AutoTokenizer.from_pretrained(made.out)(TEXTS, padding=True, return_tensors="np")
    (embeddings,) = session.run(["sentence_embedding"], dict(tokens))
    given = {name: torch.from_numpy(values) for name, values in tokens.items()}
    with torch.no_grad():
        hidden = AutoModel.from_pretrained(made.source).eval()(**given).last_hidden_state
        wanted = read_head(made.source, 24)(hidden, given["attention_mask"].bool())
    np.testing.assert_allclose(embeddings, wanted, atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(embeddings, axis=-1), 1, atol=1e-6)
    assert (made.out / "1_Pooling/config.json").is_file()


def test_sizes_and_latencies(encoder):
    made = encoder("experts-1,4")
    files = {"pytorch": made.source / "model.safetensors", "fp32": made.out / FP32, "int8": made.out / INT8}
    for form, path in files.items():
        assert made.metrics[f"mb_{form}"] == round(path.stat().st_size / 1e6, 2)
        assert all(made.metrics[f"latency_ms_b{batch}_{form}"] > 0 for batch in COST["batches"])


class WrongFor:
    """A graph that is wrong for one of a batch's sequences, or for all, where the batch has so many."""

    def __init__(self, model, size: int, whole: bool):
        self.model, self.size, self.whole = model, size, whole

    def __call__(self, **batch):
        states = self.model(**batch).last_hidden_state.clone()
        if len(states) == self.size:
            states[: None if self.whole else 1] += 1.0
        return {"last_hidden_state": states}


def test_with_experts_one_sequence_of_a_batch_may_take_another_but_not_all_of_it(encoder):
    made = encoder("experts-1,4")
    model = AutoModel.from_pretrained(made.source).eval()
    batches = [
        {name: torch.from_numpy(values) for name, values in sequences(made, size, 9).items()} for size in (1, 3, 32)
    ]
    assert check.compare(model, WrongFor(model, 32, whole=False), batches)["rerouted"] == 1
    with pytest.raises(UserError, match=r"expected its graph to give .* in 1 of 36 sequences"):
        check.compare(model, WrongFor(model, 1, whole=True), batches)


@pytest.mark.slow
@pytest.mark.parametrize(("size", "beyond"), [(1e-7, False), (1e-2, True), (np.nan, True)])
def test_a_graph_with_other_weights_is_refused(size, beyond, encoder, tmp_path):
    made = encoder("dense")
    changed = onnx.load(made.out / FP32)
    weight = next(w for w in changed.graph.initializer if w.name == "embeddings.word_embeddings.weight")
    noise = np.random.default_rng(0).normal(scale=size, size=weight.dims).astype(np.float32)
    values = onnx.numpy_helper.to_array(weight) + noise
    weight.CopyFrom(onnx.numpy_helper.from_array(values, weight.name))
    (tmp_path / "config.json").write_text((made.out / "config.json").read_text())
    onnx.save(changed, tmp_path / "model.onnx")
    model, exported = AutoModel.from_pretrained(made.source).eval(), OnnxModel(tmp_path, "model.onnx", 1)
    batch = {name: torch.from_numpy(values) for name, values in sequences(made, 4, 9).items()}
    if not beyond:
        assert check.compare(model, exported, [batch])["error"] < check.BOUND
        return
    with pytest.raises(UserError, match=r"dense/model: expected its graph to give .* in 4 of 4 sequences"):
        check.compare(model, exported, [batch])


@pytest.mark.slow
def test_a_frozen_size_is_seen(encoder, monkeypatch, tmp_path):
    """As `len` of a tensor freezes it: the graph then computes no other number of tokens than the trace saw."""
    made = encoder("experts-1,4")
    source = inspect.getsource(routing.arrange)
    assert "expert.shape[0]" in source
    changed = {}
    exec(source.replace("expert.shape[0]", "len(expert)"), vars(routing), changed)
    monkeypatch.setattr(routing, "arrange", changed["arrange"])
    with pytest.raises(UserError, match=r"1,4/model: onnxruntime cannot compute its graph for a batch of \[1, 8\]: .*"):
        export_encoder(made.source, made.records, tmp_path / "out", **COST)
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_what_cannot_be_traced(encoder, monkeypatch, tmp_path):
    made = encoder("experts-1,4")
    whole = Router.route
    monkeypatch.setattr(Router, "route", lambda self, tokens: whole(self, tokens) if tokens.sum().item() > 0 else None)
    with pytest.raises(UserError, match=r"1,4/model: cannot be exported to ONNX: "):
        export_encoder(made.source, made.records, tmp_path / "out", **COST)


def refused(made, out, said: str):
    """Nothing is exported, for this reason."""
    with pytest.raises(UserError, match=said) as error:
        export_encoder(made.source, made.records, out, **COST)
    assert "\n" not in str(error.value) and not out.exists()


@pytest.mark.slow
@pytest.mark.parametrize("part", ["_split_experts", "_quantized", "_save"])
def test_what_cannot_be_quantized_or_written(part, dense, monkeypatch, tmp_path):
    def fails(*_):
        raise RuntimeError("Unable to find\ndata type")

    monkeypatch.setattr(graph, part, fails)
    said = r"dense/model: cannot be exported to ONNX: Unable to find data type; .* out of export\.models$"
    refused(dense, tmp_path / "out", said)


@pytest.mark.slow
def test_a_full_disk_is_told_as_one(dense, monkeypatch, tmp_path):
    def full(*_, **__):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(graph.onnx_ir, "save", full)
    refused(dense, tmp_path / "out", "^No space left on device; make room and run again$")


@pytest.mark.slow
def test_what_onnxruntime_cannot_load(dense, monkeypatch, tmp_path):
    quantized = graph._quantized

    def unknown(model):
        model = quantized(model)
        next(node for node in model.graph if node.op_type == "MatMulInteger").op_type = "MatMulOfTomorrow"
        return model

    monkeypatch.setattr(graph, "_quantized", unknown)
    said = r"dense/model: onnxruntime cannot load its graph in int8: .*MatMulOfTomorrow.*; install the versions"
    refused(dense, tmp_path / "out", said)


@pytest.mark.slow
def test_int8_that_is_not_finite(dense, poisoned, tmp_path):
    said = r"dense/model: expected finite outputs of its graph in int8, got NaN or infinity for a batch of \[1, 8\]; "
    refused(dense, tmp_path / "out", said)


def test_the_cosine_of_large_states():
    class Large:
        def __call__(self, input_ids, attention_mask):
            return {"states": torch.full((*input_ids.shape, 4), 1e30)}

    batch = {"input_ids": torch.ones(2, 3, dtype=int), "attention_mask": torch.ones(2, 3, dtype=int)}
    assert check.cosine(Large(), Large(), [batch]) == pytest.approx(1)


def test_too_long_to_measure(encoder, tmp_path):
    made = encoder("dense")
    with pytest.raises(UserError, match=r"cost.length: expected at most 40, the positions of .*, got 41"):
        export_encoder(made.source, made.records, tmp_path / "out", **COST | {"length": 41})
