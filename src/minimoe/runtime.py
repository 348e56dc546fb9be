"""How many processes and threads the work takes, and on which device. None of it changes a result."""

import os


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def workers(wanted: int) -> int:
    """Processes for `runtime.workers`; 0 means one per core."""
    return wanted or cores()


def device(wanted: str) -> str:
    """The torch device for `runtime.device`; `auto` takes a GPU where there is one."""
    import torch

    if wanted == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    return wanted
