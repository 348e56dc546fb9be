"""The random state of the CPU, and on a GPU of that one too, as tensors that a checkpoint can hold."""

import torch
from torch import Tensor


def seeded(seed: int, device: torch.device) -> list[Tensor]:
    """The state that a seed starts with."""
    outside = current(device)
    torch.manual_seed(seed)
    state = current(device)
    put_back(outside, device)
    return state


def current(device: torch.device) -> list[Tensor]:
    """The state as it is."""
    state = [torch.get_rng_state()]
    return [*state, torch.cuda.get_rng_state(device)] if device.type == "cuda" else state


def put_back(state: list[Tensor], device: torch.device) -> None:
    """Go on from a state."""
    torch.set_rng_state(state[0])
    if device.type == "cuda":
        torch.cuda.set_rng_state(state[1], device)
