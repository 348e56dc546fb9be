"""Save and load the state of a training run, so that a killed stage resumes and ends with the same bytes.

Checkpoints lie in the stage's folder of `work/` (see `minimoe.resume.work`). A checkpoint is one safetensors file:
tensors, and other values as JSON in its header; nothing is ever unpickled. It is written under a temporary name, synced
to the disk, then renamed; its name ends with its checksum. The newest undamaged one is loaded, and the one before it is
kept in case the newest is damaged.
"""

import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from crc32c import crc32c

from minimoe.resume.work import RUNS, remove
from minimoe.system.files import checksum, sync
from minimoe.system.interrupts import postponed

POLL, SELDOM = 2.0, 1000  # seconds between two times that processes tell each other; steps, at most
KEPT = 2  # the newest, and one in case that it is damaged
SUFFIX = ".safetensors"


class Checkpoint(NamedTuple):
    """A saved state."""

    number: int
    tensors: dict
    values: dict


class Checkpoints:
    """The checkpoints of one piece of work.

    Args:
        folder: where they lie; it is made by the first `save`.
        minutes: between two that are `due`.
    """

    def __init__(self, folder: str | Path, minutes: float = float("inf")) -> None:
        self.folder, self.minutes = Path(folder), minutes
        self.asked: Callable[[], bool] = lambda: False  # to end
        self._last = self._polled = time.monotonic()
        self._steps = self._every = 1  # until processes tell each other; between two such times

    def run_id(self, name: str) -> Path:
        """The file for the id of the MLflow run that this name has."""
        return self.folder / RUNS / name

    def part(self, name: str) -> "Checkpoints":
        """The checkpoints of a part of the work."""
        return Checkpoints(self.folder / name, self.minutes)

    def newest(self) -> Path | None:
        """The newest whole checkpoint; a damaged one is removed, with one line on stderr."""
        for path in sorted(self.folder.glob(f"*{SUFFIX}"), reverse=True):
            if path.stem.endswith(f"-{checksum(path):08x}"):
                return path
            path.unlink(missing_ok=True)
            print(f"{path}: damaged, its checksum is wrong; going on from the one before it, if any", file=sys.stderr)
        return None

    def load(self) -> Checkpoint | None:
        """The newest whole checkpoint, or None to start from the beginning."""
        path = self.newest()
        return read(path) if path else None

    def save(self, number: int, tensors: dict, values: dict) -> None:
        """Write a checkpoint and prune old ones. A full disk is reported and does not end the run.

        Args:
            number: larger than those before.
            tensors: by name, of any device; no two share memory.
            values: what JSON can hold.
        """
        from safetensors.torch import save

        whole = {name: tensor.detach().contiguous() for name, tensor in tensors.items()}
        data = save(whole, {"values": json.dumps(values, allow_nan=False)})
        temporary = self.folder / f".{number}.{os.getpid()}"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            temporary.write_bytes(data)
            sync(temporary)
            temporary.replace(self.folder / f"{number:012d}-{crc32c(data):08x}{SUFFIX}")
            sync(self.folder)
            self._prune()
        except OSError as error:
            temporary.unlink(missing_ok=True)
            print(f"{self.folder}: no checkpoint could be saved: {error.strerror}; going on", file=sys.stderr)
        self._last = time.monotonic()

    def due(self, now: float | None = None) -> bool:
        """Whether a checkpoint is due: its interval is over, or the process was asked to end."""
        return self.asked() or (time.monotonic() if now is None else now) - self._last >= 60 * self.minutes

    def decide(self, accelerator) -> tuple[bool, bool]:
        """Whether to save, and whether to end after that: the same in all processes, which all ask at the same point.

        The main process's clock counts, which alone saves; asked to end may be any of them. Several processes have to
        wait for their devices to tell each other, so they do it every `POLL` seconds, and not at every step.
        """
        if accelerator.num_processes == 1:
            return self.due(), self.asked()
        self._steps -= 1
        return self._tell(accelerator) if not self._steps else (False, False)

    def _tell(self, accelerator) -> tuple[bool, bool]:
        import torch

        now, main = time.monotonic(), accelerator.is_main_process
        step = (now - self._polled) / self._every  # seconds
        wanted = min(POLL, 60 * self.minutes)
        every = max(1, min(SELDOM, int(wanted / step))) if step else 1
        flags = [self.asked(), main and self.due(now), main and every]
        told = accelerator.reduce(torch.tensor(flags, dtype=torch.int32, device=accelerator.device), "sum")
        asked, due, self._every = told.tolist()
        self._steps, self._polled = self._every, now
        return asked + due > 0, asked > 0

    @contextmanager
    def interruptible(self) -> Iterator[None]:
        """Within the block, a request to end takes effect after the next checkpoint, when the work calls `stop`."""
        with postponed() as self.asked:
            yield

    def stop(self) -> None:
        """Raise KeyboardInterrupt if the process is asked to end."""
        if self.asked():
            raise KeyboardInterrupt

    def remove(self) -> None:
        """Remove all of them; the work is done."""
        remove(self.folder)

    def _prune(self) -> None:
        whole = sorted(self.folder.glob(f"*{SUFFIX}"))
        for path in [*whole[:-KEPT], *self.folder.glob(".*")]:  # what a killed process left begins with a dot
            path.unlink(missing_ok=True)


class NoCheckpoints(Checkpoints):
    """No checkpoints: a killed run starts over."""

    def __init__(self) -> None:
        super().__init__("nowhere")

    def part(self, name: str) -> "NoCheckpoints":
        """No checkpoints either."""
        return self

    def newest(self) -> None:
        """None."""

    def save(self, number: int, tensors: dict, values: dict) -> None:
        """Save nothing."""


def read(path: Path) -> Checkpoint:
    """Load the checkpoint in a file."""
    from safetensors.torch import load

    data = path.read_bytes()
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    return Checkpoint(int(path.stem.split("-")[0]), load(data), json.loads(header["__metadata__"]["values"]))
