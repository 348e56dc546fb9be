"""What experts cost: MiniMoE 1,4 against the dense student of its shape. 1 would be free."""

from functools import partial

import torch
from torch import nn

from benchmarks.measure import Row, in_turn
from minimoe.models import MiniMoEConfig
from minimoe.models.initialise import new_student
from minimoe.models.student import MiniMoEModel

LENGTH = 128


def run() -> list[Row]:
    """A training step and a forward pass at batch 32, and the latency of one sequence, in fp32 and bf16."""
    experts, dense = student(4), student(1)
    rows = []
    for precision, dtype in (("fp32", None), ("bf16", torch.bfloat16)):
        for work, size, repeats, goal in ((train, 32, 5, 1.1), (forward, 32, 7, 1.1), (forward, 1, 40, 1.25)):
            ids = torch.randint(1000, 30000, (size, LENGTH), generator=torch.Generator().manual_seed(0))
            ours, theirs = in_turn(
                partial(work, experts, ids, dtype), partial(work, dense, ids, dtype), repeats=repeats
            )
            name = f"MiniMoE 1,4 3L-384H, {work.__name__}, batch {size}, {precision}"
            rows.append(Row(name, "sequences/s", size / ours, size / theirs, "the dense student", 1 / goal))
    return rows


def student(experts: int) -> MiniMoEModel:
    """3L-384H with this many experts in every feed-forward."""
    shape = dict(num_hidden_layers=3, hidden_size=384, num_attention_heads=12, intermediate_size=1536)
    return new_student(MiniMoEConfig(**shape, ffn_experts=[experts] * 3), seed=0)


def train(model: nn.Module, ids: torch.Tensor, dtype: torch.dtype | None) -> None:
    """Forward and backward."""
    model.train()
    with torch.autocast("cpu", dtype, enabled=dtype is not None):
        hidden = model(ids).last_hidden_state
    hidden[..., ::2].float().square().mean().backward()  # of half of it, as LayerNorm fixes that of the whole
    model.zero_grad(set_to_none=True)


@torch.inference_mode()
def forward(model: nn.Module, ids: torch.Tensor, dtype: torch.dtype | None) -> None:
    """As when it is used."""
    model.eval()
    with torch.autocast("cpu", dtype, enabled=dtype is not None):
        model(ids)
