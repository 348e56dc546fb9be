import goldens
import pytest
import torch
from transformers import BertConfig, BertModel

from minimoe.models import MiniMoEConfig, MiniMoEModel
from minimoe.models.experts import grouped_matmul
from minimoe.models.initialise import new_student

SHAPE = dict(vocab_size=50, hidden_size=24, num_hidden_layers=2, num_attention_heads=4, intermediate_size=96)
IDS = torch.arange(2, 34).view(2, 16)


def shape(**changes) -> MiniMoEConfig:
    return MiniMoEConfig(**SHAPE | changes)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", [goldens.DENSE, *goldens.EXPERTS])
def test_hidden_states_equal_the_published(name, dtype):
    model, published = goldens.encoder(name, dtype), goldens.outputs(name, dtype)
    with torch.no_grad():
        ours = model(**goldens.tensors(name, "inputs"), output_hidden_states=True)
    assert goldens.error(ours.last_hidden_state, published["last_hidden_state"]) < goldens.tolerance(dtype)
    assert goldens.error(ours.hidden_states[1], published["hidden_states.1"]) < goldens.tolerance(dtype)


def test_one_expert_is_dense_bert():
    model = new_student(shape(), seed=1).eval()
    bert = BertModel(BertConfig(**SHAPE), add_pooling_layer=False).eval()
    bert.load_state_dict(model.state_dict())
    assert torch.equal(model(IDS).last_hidden_state, bert(IDS).last_hidden_state)


@pytest.mark.parametrize("experts", [dict(ffn_experts=[3, 3]), dict(attention_experts=[2, 2], ffn_experts=[4, 1])])
def test_identical_experts_with_gate_one_are_dense(experts):
    dense = new_student(shape(), seed=1).eval()
    model = MiniMoEModel(shape(**experts), add_pooling_layer=False).eval()
    for name, weight in model.state_dict().items():
        if name.endswith("gate.weight"):
            weight.zero_()
        elif name.endswith("gate.bias"):
            weight.copy_(torch.arange(len(weight)) * 1000.0)  # all to the last expert, with probability 1
        else:
            weight.copy_(dense.state_dict()[name])  # copied to every expert
    torch.testing.assert_close(model(IDS).last_hidden_state, dense(IDS).last_hidden_state)


def test_router_noise_only_while_training():
    model = new_student(shape(ffn_experts=[4, 4], hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0), seed=1)
    assert torch.equal(model.eval()(IDS).last_hidden_state, model(IDS).last_hidden_state)
    assert not torch.equal(model.train()(IDS).last_hidden_state, model(IDS).last_hidden_state)


@pytest.mark.parametrize("width", [8, 7])  # 7: rows that the grouped kernel does not take
def test_grouped_product_equals_a_loop_with_an_idle_expert(width):
    tokens = torch.randn(10, width, requires_grad=True)
    weights = torch.randn(3, width, width, requires_grad=True)
    product = grouped_matmul(tokens, weights, torch.tensor([4, 4, 10]))
    loop = torch.cat([tokens[:4] @ weights[0], tokens[4:] @ weights[2]])
    torch.testing.assert_close(product, loop)
    seed = torch.randn_like(loop)
    for ours, expected in zip(
        torch.autograd.grad(product, (tokens, weights), seed),
        torch.autograd.grad(loop, (tokens, weights), seed),
        strict=True,
    ):
        torch.testing.assert_close(ours, expected)
