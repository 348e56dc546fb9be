import subprocess
import sys

import goldens
import pytest
import torch
from transformers import AutoModel, AutoModelForSequenceClassification, BertConfig, BertModel

from minimoe.models import MiniMoEConfig, MiniMoEForSequenceClassification, MiniMoEModel
from minimoe.models.experts import grouped_matmul
from minimoe.models.initialise import new_student
from minimoe.models.save import save, standard_form

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
    bert = BertModel(BertConfig(**SHAPE)).eval()
    bert.load_state_dict(model.state_dict())
    assert torch.equal(model(IDS).last_hidden_state, bert(IDS).last_hidden_state)


@pytest.mark.parametrize("experts", [dict(ffn_experts=[3, 3]), dict(attention_experts=[2, 2], ffn_experts=[4, 1])])
def test_identical_experts_with_gate_one_are_dense(experts):
    dense = new_student(shape(), seed=1).eval()
    model = MiniMoEModel(shape(**experts)).eval()
    for name, weight in model.state_dict().items():
        if name.endswith("gate.weight"):
            weight.zero_()
        elif name.endswith("gate.bias"):
            weight.copy_(torch.arange(len(weight)) * 1000.0)  # all to the last expert, with probability 1
        else:
            weight.copy_(dense.state_dict()[name])  # copied to every expert
    torch.testing.assert_close(model(IDS).last_hidden_state, dense(IDS).last_hidden_state)


@pytest.mark.parametrize("experts", [{}, dict(ffn_experts=[4, 4]), dict(attention_experts=[2, 2])])
def test_padding_changes_nothing(experts):
    model = new_student(shape(**experts), seed=1).eval()
    padded = torch.cat([IDS, torch.zeros(2, 5, dtype=torch.long)], 1)
    mask = (torch.arange(21) < 16).long().expand(2, -1)
    hidden = model(padded, attention_mask=mask).last_hidden_state[:, :16]
    torch.testing.assert_close(hidden, model(IDS).last_hidden_state)


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


@pytest.mark.parametrize("experts", [{}, dict(ffn_experts=[4, 4])])
def test_saved_and_loaded_is_the_same(tmp_path, experts):
    model = new_student(shape(**experts), seed=1).eval()
    save(model, tmp_path)
    loaded = AutoModel.from_pretrained(tmp_path).eval()
    assert type(loaded) is (MiniMoEModel if experts else BertModel)
    assert torch.equal(loaded(IDS).last_hidden_state, model(IDS).last_hidden_state)


def test_heads_load_a_saved_student_and_train(tmp_path):
    save(new_student(shape(ffn_experts=[2, 2]), seed=1), tmp_path)
    model = AutoModelForSequenceClassification.from_pretrained(tmp_path, num_labels=3)
    assert type(model) is MiniMoEForSequenceClassification
    model(IDS, labels=torch.tensor([0, 2])).loss.backward()
    assert model.bert.encoder.layer[0].ffn_gate.weight.grad.abs().sum() > 0


@pytest.mark.slow
def test_a_student_with_experts_loads_with_transformers_alone(tmp_path):
    model = new_student(shape(ffn_experts=[2, 2]), seed=1).eval()
    save(model, tmp_path / "model")
    torch.save(model(IDS).last_hidden_state, tmp_path / "hidden.pt")
    script = (
        "import sys; sys.modules['minimoe'] = None\n"  # any import of it fails
        "import torch; from transformers import AutoModel\n"
        "model = AutoModel.from_pretrained('model', trust_remote_code=True).eval()\n"
        "assert torch.equal(model(torch.arange(2, 34).view(2, 16)).last_hidden_state, torch.load('hidden.pt'))\n"
    )
    subprocess.run([sys.executable, "-c", script], cwd=tmp_path, check=True, env={"HF_HOME": str(tmp_path / "hf")})


def test_standard_form_of_a_plain_shape_is_bert():
    assert type(standard_form(new_student(shape(), seed=1))) is BertModel
