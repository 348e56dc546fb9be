from itertools import pairwise

import goldens
import pytest
import torch
from sparsify.sparse import (
    MLM,
    golden_encoder,
    golden_importance,
    golden_inputs,
    golden_json,
    inputs,
    random_importance,
)
from transformers import AutoModel

from minimoe.models import MiniMoEConfig, MiniMoEModel
from minimoe.models.save import save
from minimoe.models.slices import cut
from minimoe.models.sparsity import Importance, cut_config, removed
from minimoe.sparsify.reorder import reorder
from minimoe.system.errors import UserError

CUT = [10, 50, 90, 95, 98, 99]  # 98 and 99 have layers that keep no head
SHAPE = dict(vocab_size=60, num_hidden_layers=2, num_attention_heads=4, intermediate_size=64)


def config(hidden=64, **changes) -> MiniMoEConfig:
    return MiniMoEConfig(hidden_size=hidden, inner_size=hidden, **SHAPE | changes)


def elements(hidden=0, head=(), neuron=()) -> dict:
    """What is removed, by layer."""
    return {
        "hidden": {"-1": hidden},
        "head": {str(layer): count for layer, count in enumerate(head)},
        "neuron": {str(layer): count for layer, count in enumerate(neuron)},
    }


def test_the_map_equals_the_published():
    published = golden_json("sparsity_map")
    assert len(published) == 14
    assert {sparsity: removed(golden_importance(), int(sparsity)) for sparsity in published} == published


@pytest.mark.parametrize("sparsity", CUT)
def test_shapes_equal_the_published(sparsity):
    full = reorder(golden_encoder(torch.float32), golden_importance())
    shape = cut_config(full.config, removed(golden_importance(), sparsity), sparsity)
    ours = {name: list(weight.shape) for name, weight in cut(full, shape).state_dict().items()}
    published = {
        name.removeprefix("bert."): size for name, size in golden_json("densified_shapes")[str(sparsity)].items()
    }
    assert published.pop("recover_indices") == [48]  # never cut there: its leading part is read
    assert ours.pop("encoder.recover_indices") == [shape.inner_size]
    gone = {name for name in published if name not in ours}
    assert ours == {name: size for name, size in published.items() if name not in gone}
    assert bool(gone) == (sparsity > 95)
    for name in gone:  # all of a sub-layer that keeps nothing, but its LayerNorm
        sublayer = name[: name.index("attention.")] + "attention."
        assert published[f"{sublayer}self.query.weight"][0] == 0 and "LayerNorm" not in name


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("sparsity", CUT)
def test_hidden_states_equal_the_published(sparsity, dtype):
    full = reorder(golden_encoder(dtype), golden_importance())
    model = cut(full, cut_config(full.config, removed(golden_importance(), sparsity), sparsity))
    published = goldens.tensors(MLM, "densified_outputs")[f"{sparsity}/last_hidden_state"]
    assert goldens.error(model(**golden_inputs()).last_hidden_state, published) < 1e-5  # published in fp32 alone


def test_any_sparsity_from_one_set_of_importances():
    importance = random_importance(hidden_size=768, num_attention_heads=12, intermediate_size=3072)
    full = config(768, num_hidden_layers=3, num_attention_heads=12, intermediate_size=3072)
    shapes = [cut_config(full, removed(importance, sparsity), sparsity) for sparsity in range(100)]
    assert shapes[0].to_dict() == full.to_dict()
    assert shapes[99].inner_size == 768 - 688  # 90 % of each
    for less, more in pairwise(shapes):
        assert less.inner_size >= more.inner_size > 0
        assert all(a >= b for a, b in zip(less.layer_heads, more.layer_heads, strict=True))
        assert all(a >= b for a, b in zip(less.layer_neurons, more.layer_neurons, strict=True))
    for sparsity, shape in enumerate(shapes):
        kept = sum(shape.layer_neurons) * shape.inner_size / (3 * 3072 * 768)
        assert abs(kept - (1 - sparsity / 100)) < 0.02


def test_the_least_important_of_the_whole_model_go():
    head = torch.tensor([[0.1, 0.2, 0.3, 0.4], [0.5, 0.6, 0.7, 0.8]])
    importance = Importance(head, torch.rand(2, 8), torch.rand(8))
    assert removed(importance, 75)["head"] == {"0": 4}  # half of each dimension
    assert removed(importance, 90)["head"] == {"0": 4, "1": 1}  # 68 % of 8, rounded


def test_of_equal_ones_the_lower_layers_go_first():
    importance = Importance(torch.ones(3, 4), torch.ones(3, 4000), torch.ones(8))
    assert removed(importance, 75)["head"] == {"0": 4, "1": 2}
    assert removed(importance, 75)["neuron"] == {"0": 4000, "1": 2000}


@pytest.mark.parametrize(("count", "left"), [(3, 64), (4, 64), (5, 56), (12, 48), (20, 48), (57, 8), (60, 0), (64, 0)])
def test_widths_are_rounded_to_even_multiples_of_eight(count, left):
    assert cut_config(config(), elements(neuron=[count]), 50).layer_neurons == [left, 64]


@pytest.mark.parametrize(("neurons", "count", "left"), [(12, 8, 0), (12, 12, 0), (20, 8, 12)])
def test_less_than_eight_is_nothing(neurons, count, left):
    assert cut_config(config(intermediate_size=neurons), elements(neuron=[count]), 50).layer_neurons[0] == left


@pytest.mark.parametrize(
    ("heads", "size", "count", "left"),
    [
        (12, 64, 5, 7),
        (12, 12, 5, 6),  # 60 rounds to 64, which leaves 80: 6 heads of 12, and 8 over
        (12, 4, 1, 12),  # 4 rounds to nothing
        (12, 4, 11, 0),  # 44 rounds to 48
        (2, 20, 1, 1),  # 20 rounds to 16, which leaves 24
    ],
)
def test_heads_come_out_whole(heads, size, count, left):
    shape = cut_config(config(heads * size, num_attention_heads=heads), elements(head=[count]), 50)
    assert shape.layer_heads == [left, heads]
    assert MiniMoEModel(shape).encoder.layer[0].attention.output.dense.in_features == left * size if left else True


def test_no_hidden_dimension_left_is_an_error():
    with pytest.raises(UserError, match=r"sparsity 99: .* it removes 61 of 64"):
        cut_config(config(), elements(hidden=61), 99)
    assert cut_config(config(), elements(hidden=59), 99).inner_size == 8


@pytest.mark.parametrize("gone", [dict(head=[4, 0]), dict(neuron=[0, 64]), dict(head=[4, 4], neuron=[64, 64])])
def test_layers_that_keep_nothing_work(tmp_path, gone):
    torch.manual_seed(0)
    model = cut(MiniMoEModel(config()), cut_config(config(), elements(hidden=30, **gone), 90))
    hidden = model(**inputs()).last_hidden_state
    assert hidden.shape == (3, 12, 64) and (hidden[..., 32:] == 0).all()
    hidden.square().mean().backward()
    assert all(weight.grad is not None for name, weight in model.named_parameters() if "pooler" not in name)
    assert model.embeddings.word_embeddings.weight.grad.abs().sum() > 0
    save(model, tmp_path)
    loaded = AutoModel.from_pretrained(tmp_path)
    assert type(loaded) is MiniMoEModel and loaded.config.layer_heads == model.config.layer_heads
    assert torch.equal(loaded.eval()(**inputs()).last_hidden_state, model.eval()(**inputs()).last_hidden_state)
