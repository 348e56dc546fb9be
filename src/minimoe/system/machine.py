"""How many processes and threads the work takes, and on which device. None of it changes a result."""

import gc
import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from minimoe.system.errors import UserError

# Of a finetuning process, before anything is imported: libraries start no threads. How many compute, a cell says.
CELL_ENVIRONMENT = {"OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def workers(wanted: int, threads: int = 1) -> int:
    """Processes of so many threads each, for `runtime.workers`; 0 means as many as there are cores for."""
    return wanted or max(1, cores() // threads)


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


def machine(device: str) -> str:
    """What computes, in a few words."""
    import torch

    if device == "cuda":
        return f"{torch.cuda.get_device_name()}, torch {torch.__version__}"
    about = Path("/proc/cpuinfo")
    lines = about.read_text(encoding="utf-8").splitlines() if about.exists() else []
    cpu = next((line.split(":")[1].strip() for line in lines if "model name" in line), platform.machine())
    return f"{cpu}, {cores()} cores, torch {torch.__version__}"


def is_main() -> bool:
    """Whether this is the process that writes the results."""
    return int(os.environ.get("RANK", "0")) == 0
