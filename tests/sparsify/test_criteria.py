"""Importance by the last hidden states; by the masked language modeling loss, see test_importance."""

import pytest
import torch
from sparsify.sparse import KINDS, batch, teacher

from minimoe.records.dataset import Records
from minimoe.sparsify.criteria import States, state_product
from minimoe.sparsify.importance import measure
from minimoe.tracking import NoTracker


def directed(seed: int, dtype=torch.float32) -> dict:
    """A batch with directions for 32 dimensions in place of its labels."""
    made = {key: value for key, value in batch(0).items() if key != "labels"}
    shape = *made["input_ids"].shape, 32
    return made | {"directions": torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)}


def measured(model, batches):
    return measure(model, batches, NoTracker(), criterion=state_product)


def without(model, layer: int, head: int, share: float) -> torch.Tensor:
    """Last hidden states of real tokens [n, D] with this share of a head left out."""
    inputs = {key: value for key, value in directed(0).items() if key != "directions"}
    columns = model.bert.encoder.layer[layer].attention.output.dense.weight.data[:, 8 * head : 8 * head + 8]
    kept = columns.clone()
    columns *= 1 - share
    with torch.no_grad():
        states = model.bert(**inputs).last_hidden_state[inputs["attention_mask"] > 0]
    columns.copy_(kept)
    return states


def test_it_is_the_slope_of_the_product_with_each_direction():
    model, one = teacher().double(), directed(3, torch.float64)
    direction = one["directions"][one["attention_mask"] > 0]

    def slope(layer: int, head: int, step: float = 1e-6) -> torch.Tensor:
        return ((without(model, layer, head, -step) - without(model, layer, head, step)) * direction).sum()

    slopes = torch.tensor([[slope(layer, head) for head in range(4)] for layer in range(3)])
    slopes = slopes.abs() / slopes.norm(dim=1, keepdim=True)
    torch.testing.assert_close(measured(model, [one]).head.double(), slopes, rtol=1e-4, atol=1e-6)


def test_over_many_directions_it_is_how_far_the_states_move():
    """E |⟨v, d⟩| = √(2/π) |d|, for normal v."""
    model, step = teacher().double(), 1e-6
    moved = torch.tensor([
        [(without(model, layer, head, step) - without(model, layer, head, 0.0)).norm() for head in range(4)]
        for layer in range(3)
    ])  # fmt: skip
    ours = measured(model, [directed(seed, torch.float64) for seed in range(400)]).head.double()
    torch.testing.assert_close(ours, moved / moved.norm(dim=1, keepdim=True), rtol=0.15, atol=0)


@pytest.mark.parametrize("kind", KINDS)
def test_padding_counts_for_nothing(kind):
    model, one = teacher(kind), directed(1)
    other = one | {"directions": one["directions"] + 5 * (one["attention_mask"] == 0)[..., None]}
    assert all(torch.equal(a, b) for a, b in zip(measured(model, [one]), measured(model, [other]), strict=True))


def test_an_encoder_alone_has_the_same_as_with_its_head():
    model = teacher()
    whole, alone = measured(model, [directed(1)]), measured(model.bert, [directed(1)])
    assert all(torch.equal(a, b) for a, b in zip(whole, alone, strict=True))


def test_directions_are_drawn_by_seed_and_number(made):
    records = Records(made / "data/records")
    first, second = States(made / "models/teacher", records, 1), States(made / "models/teacher", records, 2)
    drawn = [
        by.batch([0, 1, 2], number)["directions"] for by, number in [(first, 1), (first, 1), (first, 2), (second, 1)]
    ]
    assert drawn[0].shape == (*records.batch([0, 1, 2])["input_ids"].shape, 32)
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[0], drawn[2]) and not torch.equal(drawn[0], drawn[3])
    assert drawn[0].mean().abs() < 0.1 and abs(drawn[0].std() - 1) < 0.1
