"""Formulas against counting by hooks, and against real parameters."""

import pytest
from transformers import AutoModel, BertConfig, BertModel

from minimoe.models import MiniMoEConfig, MiniMoEModel
from minimoe.plan import flops
from minimoe.report.cost import count_macs
from tests.tiny_rounds import settings

LENGTH = 16
TINY = dict(
    hidden_size=24, num_hidden_layers=3, num_attention_heads=4, intermediate_size=96, vocab_size=50,
    max_position_embeddings=32,
)  # fmt: skip
SHAPES = {
    "dense": MiniMoEConfig(**TINY),
    "experts": MiniMoEConfig(**TINY, attention_experts=[2] * 3, ffn_experts=[4] * 3),
    "sparse": MiniMoEConfig(**TINY, inner_size=16, layer_heads=[4, 0, 2], layer_neurons=[40, 8, 0]),
}


@pytest.mark.parametrize("kind", SHAPES)
def test_forward_pass_is_what_hooks_count_and_the_attention_products(kind):
    config = SHAPES[kind]
    products = sum(2 * LENGTH**2 * layer.attention for layer in flops.layers(config))
    assert flops.encoder(config, LENGTH) == 2 * (count_macs(AutoModel.from_config(config), LENGTH) + products)


def test_bert_base_is_the_papers_number():
    assert flops.encoder(BertConfig(), 128) == 2 * (10_871_635_968 + 12 * 2 * 128**2 * 768)


@pytest.mark.parametrize("kind", SHAPES)
def test_parameters_are_the_models_matrices(kind):
    weights = MiniMoEModel(SHAPES[kind]).named_parameters()
    matrices = {name: weight for name, weight in weights if name.endswith("weight") and "LayerNorm" not in name}
    assert flops.parameters(SHAPES[kind]) == sum(w.numel() for name, w in matrices.items() if "_gate" not in name)


def test_parameters_of_bert_base():
    assert flops.parameters(BertConfig()) == pytest.approx(BertModel(BertConfig()).num_parameters(), rel=0.002)


def test_a_teacher_is_computed_up_to_its_tap():
    config, layer = BertConfig(**TINY), flops.layers(BertConfig(**TINY))[0]
    assert flops.teacher(config, LENGTH, settings()) == 2 * LENGTH * (2 * layer.whole(LENGTH) + 3 * 24 * 24)
    assert flops.teacher(config, LENGTH, settings(teacher_layer=1)) == 2 * LENGTH * 3 * 24 * 24
    assert flops.teacher(config, LENGTH, settings(objective="tinybert")) == flops.encoder(config, LENGTH)


def test_a_dense_student_ends_at_its_tap_and_others_have_a_projection():
    teacher, related = BertConfig(**TINY), 3 * 2 * LENGTH**2 * (24 + 3 * 24)
    dense = flops.learner(SHAPES["dense"], teacher, LENGTH, settings())
    assert dense == 3 * flops.to_tap(SHAPES["dense"], LENGTH, 3) + related
    for kind in ("experts", "sparse"):
        own = flops.learner(SHAPES[kind], teacher, LENGTH, settings())
        assert own == 3 * (flops.encoder(SHAPES[kind], LENGTH) + 2 * LENGTH * 3 * 24 * 24) + related


def test_experts_cost_a_dense_layer_and_a_router():
    dense, experts = (flops.encoder(SHAPES[kind], LENGTH) for kind in ("dense", "experts"))
    assert experts == dense + 2 * LENGTH * 3 * 24 * (2 + 4)
    assert flops.has_experts(SHAPES["experts"]) and not flops.has_experts(SHAPES["dense"])
