"""Arithmetic and learning rate of a training step."""

import math
import os
from contextlib import nullcontext

import torch

PRECISIONS = {"fp32": None, "bf16": torch.bfloat16, "fp16": torch.float16}
NO_DECAY = ("bias", "LayerNorm.weight")  # how names of weights end that weight decay leaves alone, as in BERT


def autocast(device: torch.device, precision: str):
    """The context of an encoder's forward pass at this precision, one of `PRECISIONS`."""
    dtype = PRECISIONS[precision]
    return torch.autocast(device.type, dtype) if dtype else nullcontext()


def linear_schedule(step: int, steps: int, warmup: int) -> float:
    """Share of the peak learning rate at `step` from 0: linear warm-up, then linear decay to 0."""
    if step < warmup:
        return step / warmup
    return max(0.0, (steps - step) / max(1, steps - warmup))


def cosine_schedule(step: int, steps: int, warmup: int) -> float:
    """As `linear_schedule`, but after the warm-up half a period of a cosine (Loshchilov & Hutter 2017, eq. 5)."""
    if step < warmup:
        return step / warmup
    return (1 - math.cos(math.pi * linear_schedule(step, steps, warmup))) / 2


SCHEDULES = {"linear": linear_schedule, "cosine": cosine_schedule}


def deterministic(device: torch.device) -> None:
    """Choose GPU kernels that give the same result every time, where there are any; those of a CPU do anyway."""
    if device.type == "cuda":
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.use_deterministic_algorithms(True, warn_only=True)
        torch.backends.cuda.enable_mem_efficient_sdp(False)
