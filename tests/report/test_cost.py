"""Costs: the paper's multiply-adds, experts counted once, nothing counted outside the encoder."""

import pytest
import torch
from transformers import AutoModel, BertConfig, BertModel

from minimoe.models import MiniMoEConfig
from minimoe.report.cost import count_macs, count_parameters, latency, load_encoder, measure
from minimoe.system.errors import UserError

LENGTH = 16
TINY = {"hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 96}
SMALL = {"vocab_size": 50, "max_position_embeddings": 32}


@pytest.fixture
def dense():
    return BertModel(BertConfig(**TINY, **SMALL))


def moe(attention: int, ffn: int, **form):
    experts = {"attention_experts": [attention] * 2, "ffn_experts": [ffn] * 2} | form
    return AutoModel.from_config(MiniMoEConfig(**TINY, **SMALL, **experts))


def test_dense_encoder_is_twelve_squared_widths_a_layer(dense):
    assert count_macs(dense, LENGTH) == 2 * 12 * 24**2 * LENGTH


def test_bert_base_is_the_papers_number():
    with torch.device("meta"):
        model = BertModel(BertConfig())
    assert count_macs(model, 128) == 12 * 12 * 768**2 * 128 == 10_871_635_968


@pytest.mark.parametrize(("attention", "ffn"), [(1, 4), (2, 4), (3, 1)])
def test_experts_cost_a_dense_layer_and_a_router(dense, attention, ffn):
    routers = 24 * sum(experts for experts in (attention, ffn) if experts > 1)
    assert count_macs(moe(attention, ffn), LENGTH) == count_macs(dense, LENGTH) + 2 * routers * LENGTH


FORMS = [(1, 32), (2, 0), (2, 32), (3, 0), (3, 12)]  # active, shared


@pytest.mark.parametrize(("active", "shared"), FORMS)
def test_shared_neurons_and_finer_experts_cost_no_more(dense, active, shared):
    fine = moe(1, 8, ffn_active=active, ffn_shared=shared)
    assert count_macs(fine, LENGTH) == count_macs(dense, LENGTH) + 2 * 24 * 8 * LENGTH


@pytest.mark.parametrize(("active", "shared"), FORMS)
def test_a_token_uses_the_shared_neurons_and_some_experts(active, shared):
    total, used = count_parameters(fine := moe(1, 8, ffn_active=active, ffn_shared=shared))
    assert total == sum(p.numel() for name, p in fine.named_parameters() if "pooler" not in name)
    own = (96 - shared) // active
    assert total - used == 2 * (8 - active) * (2 * 24 * own + own + 24)


def test_a_dense_model_uses_all_of_its_parameters_but_the_pooler(dense):
    expected = sum(p.numel() for p in dense.parameters()) - sum(p.numel() for p in dense.pooler.parameters())
    assert count_parameters(dense) == (expected, expected)


def test_a_token_uses_one_expert(dense):
    dense_total, _ = count_parameters(dense)
    total, active = count_parameters(moe(1, 4))
    router, feed_forward = 24 * 4 + 4, 2 * 24 * 96 + 24 + 96
    assert active == dense_total + 2 * router
    assert total == active + 2 * 3 * feed_forward


def test_measure_names_its_numbers_after_length_and_batches(dense):
    before = {name: value.clone() for name, value in dense.state_dict().items()}
    costs = measure(dense, length=LENGTH, batches=[1, 3], repeats=2, device="cpu")
    assert list(costs) == ["macs_16", "params_total", "params_active", "latency_ms_b1", "latency_ms_b3"]
    assert all(value > 0 for value in costs.values())
    assert all(torch.equal(before[name], value) for name, value in dense.state_dict().items())


def test_passes_before_the_measured_ones_do_not_count(dense, monkeypatch):
    clock, taken = [0.0], iter([900.0, 800.0, 700.0, 1.0, 3.0, 2.0])
    monkeypatch.setattr("minimoe.report.cost.time.perf_counter", lambda: clock[0])

    def forward(*_):
        clock[0] += next(taken)

    monkeypatch.setattr("minimoe.report.cost._forward", forward)
    assert latency(dense, batch=1, length=4, repeats=3) == 2000


def test_more_tokens_than_positions_are_refused(dense):
    with pytest.raises(UserError, match=r"cost\.length: expected at most 32.*got 64"):
        measure(dense, length=64, batches=[1], repeats=1, device="cpu")


def test_a_saved_encoder_costs_the_same(tmp_path):
    student = moe(1, 4)
    student.save_pretrained(tmp_path)
    loaded = load_encoder(tmp_path)
    assert type(loaded) is type(student)
    assert count_parameters(loaded) == count_parameters(student)


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({}, "found no config.json"),
        ({"config.json": "{}"}, "cannot be loaded as a model: Unrecognized model"),
        ({"config.json": '{"model_type": "bert"}'}, "cannot be loaded as a model: .*no file named"),
    ],
)
def test_a_folder_without_a_model_is_one_line(tmp_path, files, message):
    for name, content in files.items():
        (tmp_path / name).write_text(content)
    with pytest.raises(UserError, match=message) as error:
        load_encoder(tmp_path)
    assert str(error.value).startswith(f"{tmp_path}: ") and "\n" not in str(error.value)
