"""How a ratio is measured: two things in turn in one process, so that a noisy machine slows both."""

import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass

import torch


@dataclass
class Row:
    """One line of the table: rates (higher is better), and what the baseline is."""

    what: str
    unit: str
    ours: float
    baseline: float
    against: str
    goal: float | None = None  # of the ratio

    @property
    def ratio(self) -> float:
        """Ours over the baseline."""
        return self.ours / self.baseline

    @property
    def missed(self) -> bool:
        """Whether the ratio is below its goal."""
        return self.goal is not None and self.ratio < self.goal

    def values(self) -> dict:
        """As results.json holds it."""
        return asdict(self) | {"ratio": self.ratio}


def seconds(work: Callable[[], object]) -> float:
    """How long one call takes."""
    start = time.perf_counter()
    work()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - start


def in_turn(*works: Callable, repeats: int) -> tuple[float, ...]:
    """Median seconds of each, called in turn after one call of each that does not count."""
    for work in works:
        work()
    times = [[seconds(work) for work in works] for _ in range(repeats)]
    return tuple(statistics.median(column) for column in zip(*times, strict=True))


def peak(dtype: torch.dtype, device: str = "cpu", size: int = 3072) -> float:
    """FLOP/s of a large matrix product: the most that a step can reach."""
    a, b = (torch.randn(size, size, device=device).to(dtype) for _ in "ab")
    return max(2 * size**3 / seconds(lambda: a @ b) for _ in range(6))
