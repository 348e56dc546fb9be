import goldens
import pytest
import torch

from minimoe.models import MiniMoEConfig, MiniMoEModel
from minimoe.models.initialise import experts_from_dense, new_student

SHAPE = dict(vocab_size=50, hidden_size=24, num_hidden_layers=2, num_attention_heads=12, intermediate_size=96)


def test_experts_from_dense_equal_the_published():
    name = "moebert_minilm_2_4E"
    dense = {k.removeprefix("bert."): v for k, v in goldens.tensors(name, "dense_weights").items()}
    shape = goldens.student_config(name)
    one_layer = MiniMoEConfig(**shape.to_dict() | dict(num_hidden_layers=1, **_first_layer(shape)))
    ours = experts_from_dense(dense, one_layer)
    published = {k.removeprefix("bert."): v for k, v in goldens.tensors(name, "moefied_weights").items()}
    split = [key for key in published if "_gate." not in key]
    assert len(split) == 16
    assert all(torch.equal(ours[key], published[key]) for key in split)


def test_first_weights_depend_on_shape_and_seed_alone():
    shape = MiniMoEConfig(**SHAPE, ffn_experts=[4, 4])
    first = new_student(shape, seed=1).state_dict()
    torch.manual_seed(99)
    again = new_student(shape, seed=1).state_dict()
    other = new_student(shape, seed=2).state_dict()
    assert all(torch.equal(first[key], again[key]) for key in first)
    assert not torch.equal(first["encoder.layer.0.ffn_gate.weight"], other["encoder.layer.0.ffn_gate.weight"])


def test_experts_share_two_thirds_and_differ_in_the_rest():
    weight = new_student(MiniMoEConfig(**SHAPE, ffn_experts=[4, 4]), seed=1).encoder.layer[0].intermediate.dense.weight
    assert weight.shape == (4, 96, 24)
    assert torch.equal(weight[0, :64], weight[3, :64])
    assert not torch.isclose(weight[0, 64:], weight[3, 64:]).any()


def test_shared_neurons_are_the_first_of_the_wide_layer_and_experts_are_cut_from_the_rest():
    shape = MiniMoEConfig(**SHAPE, ffn_experts=[6, 6], ffn_active=2, ffn_shared=24)
    total = 24 + 6 * 36  # neurons of a wide layer: shared, and those of all experts
    wide = {name: torch.randn(weight.shape) for name, weight in _wide(total).state_dict().items()}
    weights, name = experts_from_dense(wide, shape), "encoder.layer.1."
    first, second = wide[f"{name}intermediate.dense.weight"], wide[f"{name}output.dense.weight"]
    assert torch.equal(weights[f"{name}shared.intermediate.weight"], first[:24])
    assert torch.equal(weights[f"{name}shared.output.weight"], second[:, :24])
    assert torch.equal(weights[f"{name}shared.output.bias"], wide[f"{name}output.dense.bias"])
    assert not weights[f"{name}output.dense.bias"].any()
    for expert in range(6):
        own = [*range(24, 48), *range(48 + expert, total, 6)][:36]
        assert torch.equal(weights[f"{name}intermediate.dense.weight"][expert], first[own])
        assert torch.equal(weights[f"{name}output.dense.weight"][expert], second[:, own])
    new_student(shape, seed=1)  # every weight finds its place


@pytest.mark.parametrize(
    ("form", "message"),
    [
        ({"ffn_experts": [4, 4], "ffn_active": 4}, "ffn_active: expected 1 to 3 of 4 experts, got 4"),
        ({"ffn_experts": [4, 1], "ffn_active": 2}, "ffn_active: expected 1 to 0 of 1 experts, got 2"),
        ({"ffn_experts": [4, 4], "ffn_shared": 96}, "ffn_shared: expected fewer than 96 neurons, got 96"),
        ({"ffn_experts": [4, 4], "ffn_active": 2, "ffn_shared": 3}, "ffn_active: expected a divisor of 93 neurons"),
        ({"ffn_experts": [4, 4], "ffn_active": 2, "expert_router": "hash"}, "ffn_active: expected 1 where .* is hash"),
    ],
)
def test_forms_that_do_not_fit(form, message):
    with pytest.raises(ValueError, match=message):
        MiniMoEConfig(**SHAPE, **form)


@pytest.mark.parametrize("outside", [1, 2])
def test_building_a_student_leaves_the_random_state(outside):
    torch.manual_seed(outside)
    expected = torch.rand(1)
    torch.manual_seed(outside)
    new_student(MiniMoEConfig(**SHAPE), seed=1)
    assert torch.equal(torch.rand(1), expected)


def _wide(neurons: int) -> MiniMoEModel:
    return MiniMoEModel(MiniMoEConfig(**SHAPE, layer_neurons=[neurons, neurons]), add_pooling_layer=False)


def _first_layer(shape: MiniMoEConfig) -> dict:
    names = ("layer_heads", "layer_neurons", "attention_experts", "ffn_experts")
    return {name: getattr(shape, name)[:1] for name in names}
