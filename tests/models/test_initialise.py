import goldens
import pytest
import torch

from minimoe.models import MiniMoEConfig
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


@pytest.mark.parametrize("outside", [1, 2])
def test_building_a_student_leaves_the_random_state(outside):
    torch.manual_seed(outside)
    expected = torch.rand(1)
    torch.manual_seed(outside)
    new_student(MiniMoEConfig(**SHAPE), seed=1)
    assert torch.equal(torch.rand(1), expected)


def _first_layer(shape: MiniMoEConfig) -> dict:
    names = ("layer_heads", "layer_neurons", "attention_experts", "ffn_experts")
    return {name: getattr(shape, name)[:1] for name in names}
