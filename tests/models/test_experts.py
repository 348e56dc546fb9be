"""Layers with experts against the paper's formulas, written token by token without sorting."""

import pytest
import torch
from models.kinds import batch, student
from torch.nn import functional

from minimoe.models.routing import HashRouter, Router

KINDS = ["experts-1,4", "experts-2,4", "experts-4,1", "experts-4,4", "experts-roberta"]
HASHED = [{"expert_router": "hash"}, {"expert_router": "hash", "ffn_shared": 12}]
FORMS = [{"ffn_active": active, "ffn_shared": shared} for active, shared in ((1, 12), (2, 0), (2, 16), (3, 0), (3, 12))]


def choose(router, tokens, ids):
    """Probability [B, T, 1] and number [B, T, 1] of each token's expert (paper §3.2); by hash that of its id."""
    if router is None:
        return 1.0, torch.zeros_like(tokens[..., :1], dtype=torch.long)
    if isinstance(router, HashRouter):
        return 1.0, torch.tensor([[[number % router.experts] for number in row] for row in ids.tolist()])
    return functional.linear(tokens, router.weight, router.bias).softmax(-1).max(-1, keepdim=True)


def linear(layer, tokens, expert):
    """Every expert for every token; then each token's own."""
    weights, biases = layer.weight.view(-1, *layer.weight.shape[-2:]), layer.bias.view(-1, layer.bias.shape[-1])
    everything = torch.stack([functional.linear(tokens, w, b) for w, b in zip(weights, biases, strict=True)], -1)
    return everything.gather(-1, expert[..., None].expand(*everything.shape[:-1], 1)).squeeze(-1)


def attention(layer, hidden, mask, heads, ids):
    gate, expert = choose(layer.attn_gate, hidden, ids)
    projections = [linear(getattr(layer.attention.self, name), hidden, expert) for name in ("query", "key", "value")]
    query, key, value = (p.unflatten(-1, (heads, -1)).transpose(1, 2) for p in projections)
    scores = query @ key.transpose(-1, -2) / query.shape[-1] ** 0.5
    scores = scores.masked_fill(mask[:, None, None] == 0, -torch.inf)
    context = (scores.softmax(-1) @ value).transpose(1, 2).flatten(2)
    return layer.attention.output.LayerNorm(hidden + gate * linear(layer.attention.output.dense, context, expert))


def feed_forward(layer, hidden, active, ids):
    gate, expert = choose(layer.ffn_gate, hidden, ids)
    if active > 1 or (layer.shared is not None and isinstance(layer.ffn_gate, Router)):
        return layer.output.LayerNorm(hidden + torch.stack([token_by_token(layer, x, active) for x in hidden]))
    neurons = functional.gelu(linear(layer.intermediate.dense, hidden, expert))
    beside = layer.shared(hidden) if layer.shared is not None else 0
    return layer.output.LayerNorm(hidden + beside + gate * linear(layer.output.dense, neurons, expert))


def token_by_token(layer, tokens, active):
    """What shared neurons and each token's experts add to it [T, D]."""
    return torch.stack([parts(layer, token, active).sum(0) for token in tokens])


def parts(layer, token, active):
    """Each by itself [1 + active, D] (DeepSeekMoE, eq. 3 to 5)."""
    probabilities = functional.linear(token, layer.ffn_gate.weight, layer.ffn_gate.bias).softmax(-1)
    found = [torch.zeros_like(token)]
    if layer.shared is not None:
        first, second = layer.shared.intermediate, layer.shared.output
        found = [second.weight @ functional.gelu(first.weight @ token + first.bias) + second.bias]
    first, second = layer.intermediate.dense, layer.output.dense
    for expert in probabilities.argsort(descending=True)[:active].tolist():
        neurons = functional.gelu(first.weight[expert] @ token + first.bias[expert])
        found.append(probabilities[expert] * (second.weight[expert] @ neurons + second.bias[expert]))
    return torch.stack(found)


def plainly(model, input_ids, attention_mask):
    hidden = model.embeddings(input_ids)
    for layer, heads in zip(model.encoder.layer, model.config.layer_heads, strict=True):
        hidden = attention(layer, hidden, attention_mask, heads, input_ids)
        hidden = feed_forward(layer, hidden, model.config.ffn_active, input_ids)
    return hidden


@pytest.mark.parametrize(
    ("kind", "form"), [*((kind, {}) for kind in KINDS), *(("experts-2,4", form) for form in FORMS + HASHED)]
)
def test_outputs_and_gradients_are_the_formulas(kind, form):
    model, inputs = student(kind, **form).double(), batch(kind)
    real = inputs["attention_mask"].bool()
    weights = [weight for name, weight in model.named_parameters() if "pooler" not in name]
    ours, expected = model(**inputs).last_hidden_state[real], plainly(model, **inputs)[real]
    torch.testing.assert_close(ours, expected)
    seed = torch.randn(ours.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    for mine, other in zip(
        torch.autograd.grad(ours, weights, seed), torch.autograd.grad(expected, weights, seed), strict=True
    ):
        torch.testing.assert_close(mine, other)


@pytest.mark.parametrize("form", FORMS + HASHED)
def test_in_16_bits_outputs_are_roughly_the_formulas(form):
    """Groups are padded there, which a wrong place would show; with noise and dropout off."""
    model, inputs = student("experts-1,4", **form), batch("experts-1,4")
    real = inputs["attention_mask"].bool()
    expected = plainly(model, **inputs)[real]
    with torch.autocast("cpu", torch.bfloat16):
        ours = model(**inputs).last_hidden_state[real]
    assert functional.cosine_similarity(ours.float(), expected, dim=-1).min() > 0.998


def test_dropout_draws_for_shared_neurons_and_for_each_expert_by_itself():
    """Under dropout of a half the mean is the sum of the parts, and the variance that of their squares."""
    layer = student("experts-fine", hidden_dropout_prob=0.5, router_noise=0.0).double().encoder.layer[0]
    layer.output.LayerNorm = torch.nn.Identity()
    hidden = torch.randn(12, 24, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    expected = torch.stack([parts(layer, token, 2) for token in hidden])

    def feed(many):
        routing = layer.ffn_gate.route(many)
        inner = layer.activation(layer.intermediate.dense(routing.sort(many), routing))
        return layer.output(inner, many + layer.shared(many), routing)

    torch.testing.assert_close(feed(hidden), hidden + expected.sum(1))
    torch.manual_seed(0)
    layer.train()
    drawn = feed(hidden.expand(10000, 12, 24))
    variance = expected.square().sum(1)
    assert ((drawn.mean(0) - hidden - expected.sum(1)).abs() < 6 * (variance / 10000).sqrt()).all()
    torch.testing.assert_close(drawn.var(0), variance, rtol=0.08, atol=0)


@pytest.mark.parametrize("kind", KINDS)
def test_tokens_go_to_several_experts(kind):
    """What the other test compares is not one expert's work alone."""
    model, chosen = student(kind), set()
    for name, module in model.named_modules():
        if name.endswith("_gate"):
            module.register_forward_hook(
                lambda _m, _i, logits, name=name: chosen.update((name, number) for number in logits.argmax(-1).tolist())
            )
    model(**batch(kind))
    routers = {name for name, _ in chosen}
    assert len(chosen) >= 2 * len(routers)
