"""What a machine of a cluster does with a stage: run it as a process, pass on its lines, and end it in time."""

import os
import re
import selectors
import signal
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from threading import Lock
from typing import NamedTuple

from minimoe.system import clusters, machine

LOOK_SECONDS = 0.5  # between two looks whether a stage is still waited for
END_SECONDS = 10  # that a stage has to close what it has open
_CELLS, _CHOICE = Counter(), Lock()  # of this process of a cluster: how many stages are on which GPU


class Stage(NamedTuple):
    """A stage to run elsewhere."""

    module: str
    arguments: list[str]
    folder: Path = Path()  # the project's
    environment: dict[str, str] = {}  # variables that it gets besides those of the machine  # noqa: RUF012
    device: str = "auto"  # runtime.device

    @property
    def name(self) -> str:
        """As it is shown."""
        return " ".join([self.module.removeprefix("stages."), *self.arguments])


def as_dask_task(stage: Stage) -> int:
    """Run the stage while the scheduler wants its result, the exit code; its lines are events under the task's key.

    The last event is None. The state of a task in its worker is as in distributed 2026.8.
    """
    from distributed import Status, get_worker

    worker, code = get_worker(), 0
    key = worker.get_current_task()
    with closing(lines(stage)) as coming:
        for line in coming:
            task = worker.state.tasks.get(key)
            if task is None or task.state != "executing" or worker.status not in (Status.running, Status.paused):
                break  # the future was cancelled, or the client or the scheduler is gone
            if isinstance(line, int):
                code = line
            elif line:
                worker.log_event(key, line)
    worker.log_event(key, None)
    return code


def as_ray_task(stage: Stage) -> Iterator[str | int]:
    """Run the stage; yields its lines and its exit code. Ray's `cancel` interrupts that."""
    with closing(lines(stage)) as coming:
        yield from (line for line in coming if line is not None)


def lines(stage: Stage) -> Iterator[str | int | None]:
    """Run the stage as a process of this machine, which ends when the generator is closed.

    Yields what it prints, line by line, None when nothing comes for a while, and in the end its exit code.
    """
    if not stage.folder.is_dir():
        raise clusters.no_folder(stage.folder, "no such folder")
    yield f"on {socket.gethostname()}"
    command = [sys.executable, "-m", stage.module, *stage.arguments]
    with _gpu(stage.device) as own:
        process = subprocess.Popen(
            command, cwd=stage.folder, env=os.environ | stage.environment | own, start_new_session=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        try:
            yield from _read(process.stdout.fileno())
            yield process.wait()
        finally:
            _end(process)


def _read(pipe: int) -> Iterator[str | None]:
    """Lines from a pipe until its end; a carriage return, as in progress bars, ends a line as well."""
    begun = b""
    with selectors.DefaultSelector() as selector:
        selector.register(pipe, selectors.EVENT_READ)
        while True:
            if not selector.select(LOOK_SECONDS):
                yield None
                continue
            read = os.read(pipe, 1 << 16)
            *whole, begun = re.split(rb"[\r\n]", begun + (read or b"\n"))
            yield from (line.decode(errors="replace") for line in whole if line.strip())
            if not read:
                return


def _end(process: subprocess.Popen) -> None:
    """End a stage, and if it takes too long, all that it has started."""
    process.terminate()
    try:
        process.wait(END_SECONDS)
    except subprocess.TimeoutExpired:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    process.stdout.close()


@contextmanager
def _gpu(device: str) -> Iterator[dict[str, str]]:
    """The variable that gives a stage one of the GPUs that this process of a cluster may use: the least used."""
    names = [] if device == "cpu" else machine.gpus()
    if not names:
        yield {}
        return
    with _CHOICE:
        chosen = min(names, key=lambda name: _CELLS[name])
        _CELLS[chosen] += 1
    try:
        yield {machine.VISIBLE: chosen}
    finally:
        with _CHOICE:
            _CELLS[chosen] -= 1
