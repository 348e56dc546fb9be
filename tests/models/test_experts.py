"""Layers with experts against the paper's formulas, written token by token without sorting."""

import pytest
import torch
from models.kinds import batch, student
from torch.nn import functional

KINDS = ["experts-1,4", "experts-2,4", "experts-4,1", "experts-4,4", "experts-roberta"]


def choose(router, tokens):
    """Probability [B, T, 1] and number [B, T, 1] of each token's expert (paper §3.2)."""
    if router is None:
        return 1.0, torch.zeros_like(tokens[..., :1], dtype=torch.long)
    return functional.linear(tokens, router.weight, router.bias).softmax(-1).max(-1, keepdim=True)


def linear(layer, tokens, expert):
    """Every expert for every token; then each token's own."""
    weights, biases = layer.weight.view(-1, *layer.weight.shape[-2:]), layer.bias.view(-1, layer.bias.shape[-1])
    everything = torch.stack([functional.linear(tokens, w, b) for w, b in zip(weights, biases, strict=True)], -1)
    return everything.gather(-1, expert[..., None].expand(*everything.shape[:-1], 1)).squeeze(-1)


def attention(layer, hidden, mask, heads):
    gate, expert = choose(layer.attn_gate, hidden)
    projections = [linear(getattr(layer.attention.self, name), hidden, expert) for name in ("query", "key", "value")]
    query, key, value = (p.unflatten(-1, (heads, -1)).transpose(1, 2) for p in projections)
    scores = query @ key.transpose(-1, -2) / query.shape[-1] ** 0.5
    scores = scores.masked_fill(mask[:, None, None] == 0, -torch.inf)
    context = (scores.softmax(-1) @ value).transpose(1, 2).flatten(2)
    return layer.attention.output.LayerNorm(hidden + gate * linear(layer.attention.output.dense, context, expert))


def feed_forward(layer, hidden):
    gate, expert = choose(layer.ffn_gate, hidden)
    neurons = functional.gelu(linear(layer.intermediate.dense, hidden, expert))
    return layer.output.LayerNorm(hidden + gate * linear(layer.output.dense, neurons, expert))


def plainly(model, input_ids, attention_mask):
    hidden = model.embeddings(input_ids)
    for layer, heads in zip(model.encoder.layer, model.config.layer_heads, strict=True):
        hidden = feed_forward(layer, attention(layer, hidden, attention_mask, heads))
    return hidden


@pytest.mark.parametrize("kind", KINDS)
def test_outputs_and_gradients_are_the_formulas(kind):
    model, inputs = student(kind).double(), batch(kind)
    real = inputs["attention_mask"].bool()
    weights = [weight for name, weight in model.named_parameters() if "pooler" not in name]
    ours, expected = model(**inputs).last_hidden_state[real], plainly(model, **inputs)[real]
    torch.testing.assert_close(ours, expected)
    seed = torch.randn(ours.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    for mine, other in zip(
        torch.autograd.grad(ours, weights, seed), torch.autograd.grad(expected, weights, seed), strict=True
    ):
        torch.testing.assert_close(mine, other)


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
