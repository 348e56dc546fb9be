"""The device, and the number of processes and threads. None of it changes a result."""

import gc
import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from minimoe.system.errors import UserError

# Of a finetuning process, before anything is imported: libraries start no threads (how many compute, a cell says), and
# look for a GPU without initialising CUDA, after which no process may fork.
CELL_ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "PYTORCH_NVML_BASED_CUDA_CHECK": "1",
}
VISIBLE = "CUDA_VISIBLE_DEVICES"  # the variable that says which GPUs a process may use


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def workers(wanted: int, threads: int = 1) -> int:
    """Processes of so many threads each, for `runtime.workers`; 0 means as many as there are cores for."""
    return wanted or max(1, cores() // threads)


def gpus() -> list[str]:
    """The GPUs that this process may use, each as CUDA_VISIBLE_DEVICES names it; to count them may initialise CUDA."""
    import torch

    count, visible = torch.cuda.device_count(), os.environ.get(VISIBLE)
    if not count or visible is None:
        return [str(number) for number in range(count)]
    names = [name.strip() for name in visible.split(",")]
    return names if names[0].startswith("MIG-") else names[:count]  # of parts of a GPU, CUDA counts the first alone


@contextmanager
def importing() -> Iterator[None]:
    """Import libraries with garbage collection off, which would take a quarter of the time and free next to nothing."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()  # it is not looked through later either
        gc.enable()


@contextmanager
def computing(threads: int) -> Iterator[None]:
    """Compute on so many cores, whatever the environment says: on a CPU their number decides how sums round.

    threads: 0 leaves it as it is.
    """
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(threads or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


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
    cpu = _about_cpu("model name") or platform.machine()
    number = f"{cores()} core" + "s" * (cores() > 1)
    return f"{cpu}, {number}, {_instructions()}, torch {torch.__version__}"


def _instructions() -> str:
    """The widest instructions for matrix products: they decide whether bf16 is faster than fp32 (AMX), or slower."""
    flags = _about_cpu("flags").split()
    known = {"amx_bf16": "AMX", "avx512_bf16": "AVX512-BF16", "avx512f": "AVX512", "avx2": "AVX2"}
    return next((name for flag, name in known.items() if flag in flags), "no known vector instructions")


def _about_cpu(key: str) -> str:
    """What Linux says about the first core, such as its `flags`; elsewhere nothing."""
    about = Path("/proc/cpuinfo")
    lines = about.read_text(encoding="utf-8").splitlines() if about.exists() else []
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(key)), "")


def is_main() -> bool:
    """Whether this is the process that writes the results."""
    return int(os.environ.get("RANK", "0")) == 0
