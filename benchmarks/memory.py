"""The memory that a distillation step takes: peaks of processes that do nothing else."""

import subprocess
import sys
from tempfile import TemporaryDirectory

from transformers import BertModel

from benchmarks.measure import Row
from benchmarks.step import CASES, PUBLISHED, Step, baseline, batch, bert

CODE = """
import re, sys
from pathlib import Path
import torch
from benchmarks import memory
from minimoe.system.memory import keep_freed_memory
keep_freed_memory()
getattr(memory, sys.argv[1])(int(sys.argv[2]))
print(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1])  # getrusage counts the parent's too
"""
STEPS = 3


def run() -> list[Row]:
    """Two rows: sequences of a step for a GB of its process."""
    rows = []
    for size in (16, 32):
        ours, theirs = (_peak(which, size) for which in ("ours", "published"))
        name = f"{CASES[0].name}, batch {size}, fp32: {ours:.1f} GB against {theirs:.1f}"
        rows.append(Row(name, "sequences/GB", size / ours, size / theirs, PUBLISHED, 2.0))
    return rows


def ours(size: int) -> None:
    """Steps of the first case."""
    with TemporaryDirectory() as folder:
        BertModel(bert(*CASES[0].teacher)).save_pretrained(folder)
        step, data = Step(folder, [CASES[0].student], CASES[0].relation_heads), batch(size)
        for _ in range(STEPS):
            step(data)


def published(size: int) -> None:
    """Steps of the published form."""
    step, data = baseline(CASES[0]), batch(size)
    for _ in range(STEPS):
        step(data)


def _peak(which: str, size: int) -> float:
    """GB of a process's largest resident set."""
    command = [sys.executable, "-c", CODE, which, str(size)]
    return 1024 * int(subprocess.run(command, check=True, capture_output=True, text=True).stdout) / 1e9
