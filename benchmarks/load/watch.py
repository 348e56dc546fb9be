"""What a piece of work takes: seconds, memory, disk, processes and open files, its children's included.

The work runs in a process of its own. Memory is what its processes hold beside files: pages that several of them share
count once, and the pages of mapped files, which the system takes back when it needs room, do not count.
"""

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path

import psutil

SPAWN = get_context("spawn")
EVERY = 0.25  # seconds between two looks


@dataclass
class Watched:
    """What was seen of a piece of work."""

    seconds: float = 0.0
    memory: list[float] = field(default_factory=list)  # MB at each look
    processes: list[int] = field(default_factory=list)
    files: list[int] = field(default_factory=list)  # open ones
    left: int = 0  # processes at its end

    @property
    def peak(self) -> float:
        """The most memory, in MB."""
        return max(self.memory)

    def median(self, values: list, part: int, parts: int = 4) -> float:
        """The median of values in one of the equal parts of the time, counted from 0."""
        some = sorted(values[len(values) * part // parts : len(values) * (part + 1) // parts])
        return some[len(some) // 2]


def watch(work: Callable, *arguments) -> Watched:
    """Run `work` and look at its processes; fails when it does."""
    process = SPAWN.Process(target=_run, args=(work, arguments))
    seen, start = Watched(), time.perf_counter()
    process.start()
    top, known = psutil.Process(process.pid), set()
    while process.is_alive():
        processes = [top, *_children(top)]
        known.update(processes)
        seen.memory.append(sum(map(_megabytes, processes)))
        seen.processes.append(len(processes))
        seen.files.append(sum(map(_open_files, processes)))
        process.join(EVERY)
    seen.seconds = time.perf_counter() - start
    if process.exitcode:
        raise SystemExit(f"{work} failed with {process.exitcode}")
    _, alive = psutil.wait_procs([one for one in known if one.pid != process.pid], timeout=2)
    seen.left = len(alive)
    return seen


def _run(work: Callable, arguments: tuple) -> None:
    try:
        work(*arguments)
    finally:
        threading._shutdown()  # as a program's end does, which joblib's threads wait for


def disk(folder: Path) -> float:
    """MB of the files below a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6


def _children(process: psutil.Process) -> list[psutil.Process]:
    with suppress(psutil.NoSuchProcess):
        return process.children(recursive=True)
    return []


def _megabytes(process: psutil.Process) -> float:
    with suppress(OSError, ValueError):
        lines = Path(f"/proc/{process.pid}/smaps_rollup").read_text().splitlines()[1:]
        values = {name: int(value.split()[0]) for name, value in (line.split(":") for line in lines)}
        return (values["Pss_Anon"] + values["Pss_Shmem"]) / 1e3
    return 0.0


def _open_files(process: psutil.Process) -> int:
    with suppress(psutil.Error):
        return process.num_fds()
    return 0
