"""Places of tokens: each token has one, each expert's are together, and what is empty stays without effect."""

import pytest
import torch

from minimoe.models.experts import ExpertLinear
from minimoe.models.routing import HashRouter, Router, Routing, arrange, choose

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

    def sums_of(step):
        routing = Routing(torch.ones(50, 1), *arrange(expert, EXPERTS, step))
        out = routing.restore(layer(routing.sort(tokens), routing), tokens)
        return out, *torch.autograd.grad(out, [tokens, layer.weight, layer.bias], seed)

    assert (sums_of(16)[0] != 0).all()
    for mine, other in zip(sums_of(16), sums_of(1), strict=True):
        torch.testing.assert_close(mine, other)


def test_on_the_cpu_groups_in_16_bits_have_few_sizes():
    router = Router(8, EXPERTS, 0.0)
    tokens = torch.randn(4096, 8)
    assert len(router.route(tokens).order) == 4096
    with torch.autocast("cpu", torch.bfloat16):
        routing = router.route(tokens)
    assert 4096 < len(routing.order) <= 4096 * 17 / 16
    assert not (routing.ends % 64).any()


def test_under_autocast_routers_compute_in_32_bits():
    torch.manual_seed(0)
    router, tokens = Router(64, EXPERTS, 0.0), torch.randn(4096, 64)
    expected = router(tokens)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(router(tokens), expected)
        routing = router.route(tokens)
    assert torch.equal(routing.expert[routing.places], expected.argmax(-1))


def test_weights_in_16_bits_are_multiplied_in_32():
    torch.manual_seed(0)
    router, tokens = Router(64, EXPERTS, 0.0).bfloat16(), torch.randn(4096, 64).bfloat16()
    expected = torch.nn.functional.linear(tokens.float(), router.weight.float(), router.bias.float())
    assert torch.equal(router(tokens), expected)
    routing = router.route(tokens)
    assert torch.equal(routing.expert[routing.places], expected.argmax(-1))
    assert routing.gate.dtype == torch.bfloat16


@pytest.mark.parametrize("active", [1, 2, 3])
def test_of_equally_probable_experts_the_first_are_chosen(active):
    logits = torch.tensor([[0.0, 0.0, 0.0, 0.0], [1.0, 2.0, 2.0, 1.0], [3.0, 0.0, 0.0, 3.0]])
    expected = torch.tensor([[0, 1, 2], [1, 2, 0], [0, 3, 1]])[:, :active]
    assert torch.equal(choose(logits, active), expected)


def test_a_token_has_a_place_at_each_of_its_experts():
    torch.manual_seed(0)
    router, tokens = Router(8, EXPERTS, 0.0, active=2), torch.randn(50, 8)
    with torch.autocast("cpu", torch.bfloat16):
        routing = router.route(tokens)
    assert len(routing.order) > 100 == len(routing.places)  # groups are padded
    assert torch.equal(routing.order[routing.places], torch.arange(50).repeat_interleave(2))
    best = router(tokens).softmax(-1).topk(2)
    assert torch.equal(routing.expert[routing.places].view(50, 2), best.indices)
    torch.testing.assert_close(routing.gate, best.values)


def test_noise_is_as_wide_as_said_and_moves_no_mean():
    router, tokens = Router(8, EXPERTS, 0.1), torch.randn(20000, 8)
    noise = router(tokens) - router.eval()(tokens)
    assert 0.09 < noise.max() < 0.1001 and -0.1001 < noise.min() < -0.09 and noise.mean().abs() < 0.002


def test_by_hash_a_token_goes_where_its_id_says_at_full_weight():
    ids, tokens = torch.tensor([[0, 5, 6], [11, 6, 6]]), torch.randn(2, 3, 8)
    routing = HashRouter(EXPERTS).route(tokens, ids)
    assert routing.expert[routing.places].tolist() == [0, 1, 2, 3, 2, 2]
    assert torch.equal(routing.weigh(routing.restore(routing.sort(tokens), tokens)), tokens)
    assert routing.active == 1 and not list(HashRouter(EXPERTS).parameters())
