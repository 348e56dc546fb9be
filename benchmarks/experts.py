"""What experts cost: MiniMoE 1,4 against the dense student of its shape. 1 would be free."""

from collections.abc import Callable
from copy import deepcopy
from functools import partial

import torch
from torch import nn

from benchmarks.measure import Row, in_turn
from minimoe.models import MiniMoEConfig
from minimoe.models.initialise import new_student
from minimoe.models.student import MiniMoEModel
from minimoe.training.optim import NO_DECAY

LENGTH = 128
SHAPE = dict(num_hidden_layers=3, hidden_size=384, num_attention_heads=12, intermediate_size=1536)


def run() -> list[Row]:
    """A training step and a forward pass at batch 32, and the latency of one sequence, in fp32 and bf16.

    Training with the load balance brings the routers near to sending every expert as many tokens, so the goals are for
    that; at their random start they are far from it, which costs more where products are fast.
    """
    start, dense = student(4), student(1)
    experts = deepcopy(start)
    even(experts, ids_of(32, seed=1))
    rows = []
    for precision in ("fp32", "bf16"):
        for work, size, repeats, goal in ((train, 32, 5, 1.1), (forward, 32, 7, 1.1), (forward, 1, 40, 1.25)):
            models = (experts, start, dense) if size > 1 else (experts, dense)
            works = (work(model, ids_of(size), precision) for model in models)
            ours, *uneven, theirs = in_turn(*works, repeats=repeats)
            name = f"MiniMoE 1,4 3L-384H, {work.__name__}, batch {size}, {precision}"
            row = partial(Row, unit="sequences/s", baseline=size / theirs, against="the dense student")
            rows.append(row(name, ours=size / ours, goal=1 / goal))
            rows += [row(f"{name}, uneven", ours=size / seconds) for seconds in uneven]
    return rows


def student(experts: int) -> MiniMoEModel:
    """3L-384H with this many experts in every feed-forward."""
    return new_student(MiniMoEConfig(**SHAPE, ffn_experts=[experts] * 3), seed=0)


def ids_of(size: int, seed: int = 0) -> torch.Tensor:
    """Random token ids [size, T]."""
    return torch.randint(1000, 30000, (size, LENGTH), generator=torch.Generator().manual_seed(seed))


@torch.no_grad()
def even(model: MiniMoEModel, ids: torch.Tensor) -> None:
    """Move the routers' biases until every expert gets about as many tokens of `ids`, layer after layer."""
    model.eval()
    for layer in model.encoder.layer:
        seen = []
        hook = layer.ffn_gate.register_forward_hook(lambda *called, seen=seen: seen.append(called[-1]))
        model(ids)
        hook.remove()
        logits = seen[0]
        shift = torch.zeros_like(logits[0])
        for _ in range(200):
            share = (logits + shift).argmax(-1).bincount(minlength=len(shift)) / len(logits)
            shift -= 0.1 * logits.std() * (share - 1 / len(shift))
        layer.ffn_gate.bias += shift


def train(model: nn.Module, ids: torch.Tensor, precision: str) -> Callable[[], None]:
    """Forward, backward and the optimizer's step, in bf16 as a round does it.

    The rate is so small that the routers stay as they are.
    """
    decayed = [weight for name, weight in model.named_parameters() if not name.endswith(NO_DECAY)]
    others = [weight for name, weight in model.named_parameters() if name.endswith(NO_DECAY)]
    groups = [{"params": decayed, "weight_decay": 0.01}, {"params": others, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=1e-9, fused=True)
    dtype = torch.bfloat16 if precision == "bf16" else None

    def step() -> None:
        model.train()
        with torch.autocast("cpu", dtype, enabled=dtype is not None):
            hidden = model(ids).last_hidden_state
        hidden[..., ::2].float().square().mean().backward()  # of half of it, as LayerNorm fixes that of the whole
        nn.utils.clip_grad_norm_(model.parameters(), 5.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    return step


def forward(model: nn.Module, ids: torch.Tensor, precision: str) -> Callable[[], None]:
    """As when it is used: in bf16 its weights are."""
    model = deepcopy(model).eval().to(torch.bfloat16 if precision == "bf16" else torch.float32)

    @torch.inference_mode()
    def use() -> None:
        model(ids)

    return use
