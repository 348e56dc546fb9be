"""Draws as functions of numbers that say what they are for: a seed, and with it a step, a part, a process, a batch.

So nothing is drawn after something else: work that goes on after a kill, on other machines or in another order draws
what it would have drawn, and no random state is kept.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch


def mixed(*key: int) -> int:
    """A seed of 64 bits for these numbers, none negative; keys of one kind have as many numbers each."""
    return int(np.random.SeedSequence(key).generate_state(1, np.uint64)[0])


@contextmanager
def drawing(device: torch.device, *key: int) -> Iterator[None]:
    """Within the block torch draws, on the CPU and on this device, what the key says; then it goes on as before."""
    cuda = device.type == "cuda"
    with torch.random.fork_rng(devices=[device] if cuda else [], device_type="cuda"):
        seed = mixed(*key)
        torch.default_generator.manual_seed(seed)
        if cuda:
            with torch.cuda.device(device):
                torch.cuda.manual_seed(seed)
        yield
