"""Floating-point operations, by hand and by counting."""

import pytest
import torch
from models.kinds import KINDS, config, student
from transformers import BertConfig

from minimoe.models import MiniMoEConfig
from minimoe.models.experts import ExpertLinear
from minimoe.models.routing import Router
from minimoe.report import flops

LENGTH, WIDTH = 16, 24
TINY = {"hidden_size": WIDTH, "num_hidden_layers": 1, "num_attention_heads": 4, "intermediate_size": 96}


def counted(**changes) -> flops.Forward:
    shape = MiniMoEConfig(**TINY | changes, vocab_size=50, max_position_embeddings=32)
    return flops.forward(flops.encoder(shape), LENGTH)


def test_a_layer_by_hand():
    assert counted() == (2 * LENGTH * 12 * WIDTH**2, 2 * 2 * LENGTH**2 * WIDTH)


@pytest.mark.parametrize("width", [24, 20])  # rows of 20 numbers of 16 bits are too odd for PyTorch's grouped product
def test_experts_cost_a_dense_layer_and_the_routers(width):
    dense, experts = (counted(hidden_size=width, attention_experts=[x], ffn_experts=[y]) for x, y in ((1, 1), (2, 4)))
    assert experts == (dense.linear + 2 * LENGTH * width * (2 + 4), dense.attention)


@pytest.mark.parametrize("features", [24, 20])
def test_gradients_of_experts_are_two_more_products(features):
    def products(experts: int) -> int:
        with torch.device("meta"):
            layer, tokens = ExpertLinear(experts, features, 32).bfloat16(), torch.ones(LENGTH, features)
            routing = Router(features, experts, 0.0).bfloat16().eval().route(tokens.bfloat16()) if experts > 1 else None
            tokens = tokens.bfloat16().requires_grad_()
        with flops.counter() as counter:
            layer(tokens, routing).square().sum().backward()
        return counter.get_total_flops()

    assert products(1) == 3 * 2 * LENGTH * features * 32
    assert products(4) == products(1) + 2 * LENGTH * 4 * 32  # and a product that adds up the gradients of the biases


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_models_without_weights_multiply_what_real_ones_do(kind):
    real = student(kind).requires_grad_(False)
    real.config._attn_implementation = "eager"  # the fused kernel of a CPU is not counted
    batch = {"input_ids": torch.ones(1, LENGTH, dtype=torch.int64) * 5}
    with flops.counter() as counter:
        real(**batch)
    pooler = 2 * real.config.hidden_size**2 if real.pooler else 0
    assert sum(flops.forward(flops.encoder(config(kind)), LENGTH)) == counter.get_total_flops() - pooler


def test_bert_base_is_the_papers_number_and_the_attention_products():
    assert flops.forward(flops.encoder(BertConfig()), 128) == (2 * 10_871_635_968, 2 * 12 * 2 * 128**2 * 768)
