"""Random draws as functions of what they are for: a seed and, say, a step, a part of its batch and a process.

No draw depends on those before it. So a run that was interrupted, or that has other processes or another order of work,
draws the same numbers, and no random state has to be saved.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch


def mixed(*key: int) -> int:
    """A seed of 64 bits, a function of these numbers ≥ 0. Keys for one purpose must have equally many numbers."""
    return int(np.random.SeedSequence(key).generate_state(1, np.uint64)[0])


@contextmanager
def drawing(device: torch.device, *key: int) -> Iterator[None]:
    """A context in which torch's generators, of CPU and device, are seeded by the key; they are restored after it."""
    cuda = device.type == "cuda"
    with torch.random.fork_rng(devices=[device] if cuda else [], device_type="cuda"):
        seed = mixed(*key)
        torch.default_generator.manual_seed(seed)
        if cuda:
            with torch.cuda.device(device):
                torch.cuda.manual_seed(seed)
        yield
