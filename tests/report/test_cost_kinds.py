"""Costs of every kind of student, by formulas of their shapes."""

import backbones
import pytest
from models.kinds import KINDS, SHAPE, config, student

from minimoe.report.cost import count_macs, count_parameters, measure
from minimoe.system.errors import UserError

LENGTH = 8
every_kind = pytest.mark.parametrize("kind", KINDS)


def linear(shape):
    """Of each layer: weights of its experts' linear layers in self-attention and feed-forward, and of the routers."""
    for layer in range(shape.num_hidden_layers):
        context = shape.layer_heads[layer] * shape.attention_head_size
        yield (
            4 * shape.width * context,
            2 * shape.width * shape.layer_neurons[layer],
            logits(shape, layer) * shape.width,
        )


def biases(shape, layer):
    """Of what computes a token in each sub-layer, and of the routers; none where the sub-layer is empty."""
    context, neurons = shape.layer_heads[layer] * shape.attention_head_size, shape.layer_neurons[layer]
    return (
        3 * context + shape.width if context else 0,
        neurons + shape.width * (shape.ffn_active + (shape.ffn_shared > 0)) if neurons else 0,
        logits(shape, layer),
    )


def logits(shape, layer):
    """Of the routers, for each token."""
    experts = (shape.attention_experts[layer], shape.ffn_experts[layer])
    return sum(e for e in experts if e > 1) if shape.expert_router == "learned" else 0


@every_kind
def test_a_token_costs_one_expert_and_the_routers(kind):
    assert count_macs(student(kind), LENGTH) == LENGTH * sum(map(sum, linear(config(kind))))


@every_kind
def test_parameters_of_all_experts_and_of_one(kind):
    shape = config(kind)
    rows = shape.vocab_size + shape.max_position_embeddings + shape.type_vocab_size
    norms = 2 * shape.width * (1 + 2 * shape.num_hidden_layers)  # empty sub-layers keep theirs
    total = active = rows * shape.width + norms
    for layer, weights in enumerate(linear(shape)):
        attention, ffn, routers = (sum(pair) for pair in zip(weights, biases(shape, layer), strict=True))
        active += attention + ffn + routers
        total += shape.attention_experts[layer] * attention + routers
        shared = shape.ffn_shared and (2 * shape.width + 1) * shape.ffn_shared + shape.width
        total += shared + shape.ffn_experts[layer] * (ffn - shared) // shape.ffn_active
    assert count_parameters(student(kind)) == (total, active)


@pytest.mark.slow
@every_kind
def test_measured(kind):
    costs = measure(student(kind), length=LENGTH, batches=[2], repeats=1, device="cpu")
    assert costs["params_active"] <= costs["params_total"]
    assert costs["latency_ms_b2"] > 0


GATE = 24 * 48 * LENGTH  # of a layer whose feed-forward has a third matrix
MORE = {  # than BERT, beside its layers and in each
    "deberta-v2": (3 * 24**2 * LENGTH, 2 * 24**2 * 8),  # a convolution, and two projections of 8 relative positions
    "electra-narrow": (16 * 24 * LENGTH, 0),  # its embeddings are mapped to the width of the layers
    "eurobert": (0, GATE - 2 * 24 * 12 * LENGTH),  # keys and values are half as wide
    "modernbert": (0, GATE),
    "nomic_bert": (0, GATE),
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", backbones.CONFIGS)
def test_teachers_cost_what_bert_of_their_shape_does(kind):
    model = backbones.make_model(kind, vocabulary=50)
    beside, more = MORE.get(kind, (0, 0))
    layer = (4 * 24**2 + 2 * 24 * 48) * LENGTH
    assert count_macs(model, LENGTH) == model.config.num_hidden_layers * (layer + more) + beside
    assert measure(model, length=LENGTH, batches=[1], repeats=1, device="cpu")["latency_ms_b1"] > 0


@pytest.mark.parametrize("kind", [kind for kind in KINDS if "roberta" in kind])
def test_positions_of_roberta_begin_behind_the_padding_id(kind):
    positions = SHAPE["max_position_embeddings"] - 2
    measure(student(kind), length=positions, batches=[1], repeats=1, device="cpu")
    with pytest.raises(UserError, match=rf"cost\.length: expected at most {positions}, .* got {positions + 1}"):
        measure(student(kind), length=positions + 1, batches=[1], repeats=1, device="cpu")
