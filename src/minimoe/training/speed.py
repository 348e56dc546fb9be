"""How fast a device multiplies matrices in each precision, and a warning where the one chosen is slower than fp32.

A processor with AMX does bf16 products several times as fast as those in fp32; one that has AVX512-BF16 alone was seen
at half the speed of fp32, and one without either converts every number first.
"""

import time
from collections.abc import Callable

import torch

from minimoe.training.optim import PRECISIONS

TRIES = 5
SLOWER = 0.95  # of fp32's speed: what is within noise of it is not called slower


def product_rate(precision: str, device: str) -> float:
    """FLOP/s of a large matrix product in one of `PRECISIONS`: the most that a training step can reach."""
    size = 8192 if device == "cuda" else 1024
    x = torch.ones(size, size, device=device, dtype=PRECISIONS[precision] or torch.float32)
    return 2 * size**3 / shortest(lambda: x @ x, device)


def shortest(work: Callable[[], object], device: str) -> float:
    """Seconds of `work` when nothing disturbs it: the fewest of several calls."""
    times = []
    for _ in range(TRIES):
        start = time.perf_counter()
        work()
        if device == "cuda":
            torch.cuda.synchronize()
        times.append(time.perf_counter() - start)
    return min(times)


def warning(precision: str, rates: dict[str, float]) -> str:
    """A line where a round's precision is slower than fp32 at these FLOP/s of `product_rate`, else nothing."""
    share = rates[precision] / rates["fp32"]
    if share >= SLOWER:
        return ""
    return (
        f"distill.precision: matrix products in {precision} run at {share:.2g} times the speed of fp32 here, with "
        "experts or without; fp32 would be faster on this machine"
    )
