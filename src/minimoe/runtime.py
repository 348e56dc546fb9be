"""How many processes and threads the work takes, and on which device. None of it changes a result."""

import gc
import os
from collections.abc import Iterator
from contextlib import contextmanager

from minimoe.errors import UserError


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def workers(wanted: int) -> int:
    """Processes for `runtime.workers`; 0 means one per core."""
    return wanted or cores()


def cell_environment(count: int) -> dict[str, str]:
    """What shares the cores among `count` finetuning processes; to be set before anything is imported."""
    return {"OMP_NUM_THREADS": str(max(1, cores() // count)), "TOKENIZERS_PARALLELISM": "false"}


@contextmanager
def importing() -> Iterator[None]:
    """Import libraries without looking for garbage, a quarter of the time: nearly all that they make stays."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()  # it is not looked through later either
        gc.enable()


def device(wanted: str) -> str:
    """The torch device for `runtime.device`; `auto` takes a GPU where there is one."""
    import torch

    if wanted == "cuda" and not torch.cuda.is_available():
        raise UserError("runtime.device: expected auto or cpu, as PyTorch finds no GPU here; got cuda")
    if wanted == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    return wanted


def is_main() -> bool:
    """Whether this is the process that writes the results."""
    return int(os.environ.get("RANK", "0")) == 0


def processes() -> int:
    """How many processes train together."""
    return int(os.environ.get("WORLD_SIZE", "1"))
