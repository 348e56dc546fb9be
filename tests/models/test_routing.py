"""Places of tokens: each token has one, each expert's are together, and what is empty stays without effect."""

import pytest
import torch

from minimoe.models.experts import ExpertLinear
from minimoe.models.routing import Router, Routing, arrange

EXPERTS = 4


@pytest.mark.parametrize("step", [1, 16, 48])
@pytest.mark.parametrize("tokens", [1, 47, 96, 500])
@pytest.mark.parametrize("kinds", [1, 2, EXPERTS])  # experts that are sent anything
def test_every_token_has_a_place_of_its_own_at_its_expert(step, tokens, kinds):
    expert = torch.randint(EXPERTS - kinds, EXPERTS, (tokens,), generator=torch.Generator().manual_seed(tokens))
    places, order, owner, ends = arrange(expert, EXPERTS, step)
    assert torch.equal(order[places], torch.arange(tokens))
    assert torch.equal(owner[places], expert)
    assert torch.equal(owner, owner.sort().values)
    assert torch.equal(torch.bincount(owner, minlength=EXPERTS).cumsum(0), ends)
    assert not (ends % step).any()
    assert len(order) == len(owner) == ends[-1]
    for number in range(EXPERTS):  # sorting is stable, so that equal routings are equal to the bit
        assert torch.equal(places[expert == number], places[expert == number].sort().values)


def test_empty_places_change_neither_outputs_nor_gradients():
    torch.manual_seed(0)
    layer, tokens = ExpertLinear(EXPERTS, 16, 8).double(), torch.randn(50, 16, dtype=torch.double, requires_grad=True)
    torch.nn.init.normal_(layer.weight)
    torch.nn.init.normal_(layer.bias)
    expert, seed = torch.randint(EXPERTS, (50,)), torch.randn(50, 8, dtype=torch.double)

    def outcome(step):
        routing = Routing(torch.ones(50, 1), *arrange(expert, EXPERTS, step))
        out = routing.restore(layer(routing.sort(tokens), routing), tokens)
        return out, *torch.autograd.grad(out, [tokens, layer.weight, layer.bias], seed)

    assert (outcome(16)[0] != 0).all()
    for mine, other in zip(outcome(16), outcome(1), strict=True):
        torch.testing.assert_close(mine, other)


def test_on_the_cpu_groups_in_16_bits_have_few_sizes():
    router = Router(8, EXPERTS, 0.0)
    tokens = torch.randn(4096, 8)
    assert len(router.route(tokens).order) == 4096
    with torch.autocast("cpu", torch.bfloat16):
        routing = router.route(tokens)
    assert 4096 < len(routing.order) <= 4096 * 17 / 16
    assert not (routing.ends % 64).any()
