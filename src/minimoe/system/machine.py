"""The device, and the number of processes and threads. None of it changes a result."""

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
    """Import libraries with garbage collection off, which would take a quarter of the time and free next to nothing."""
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
    """Name the CPU or GPU and the PyTorch version, for reports."""
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
