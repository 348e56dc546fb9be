"""A run of the pipeline, started as a user would, watched through what it prints, and killed.

Most runs are forks of a process that has imported everything: DVC and every stage are processes of their own and are
killed for real, but a kill falls into work rather than into imports, and a run takes one second instead of eight. A
cold run is `python -m dvc repro` or `python -m minimoe repro`, from nothing.
"""

import os
import re
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import psutil

from faults.pipeline import environment
from faults.warm import FORK, repro
from minimoe.system.errors import INTERRUPTED

LOOK = 0.005  # seconds between two looks at what a run prints
GONE = 15.0  # seconds in which all processes of a run that was killed end
LIMIT = 120.0  # seconds that a run may take; then it hangs,
HUNG = -1000  # and this is its exit code
TRACEBACK = "Traceback (most recent call last)"
SHOWN = 4000  # characters from a traceback on
RUNNING = re.compile(r"^Running stage '(.+?)':", re.MULTILINE)


class Run:
    """`dvc repro TARGETS` in `folder`, or the cold command given, in a session of its own.

    Its session is what a terminal's Ctrl-C and a batch system's kill reach.
    """

    def __init__(self, folder: Path, *targets: str, cold: list[str] | None = None, log: str = "log"):
        self.log = folder.with_name(f"{folder.name}.{log}")
        self.log.write_bytes(b"")
        if cold:
            self._process = _Cold(folder, self.log, cold)
        else:
            sys.stdout.flush()
            self._process = FORK.Process(target=repro, args=(folder, self.log, targets))
            self._process.start()
        self.pid = self._process.pid

    @property
    def text(self) -> str:
        """What it has printed so far."""
        return self.log.read_text(encoding="utf-8", errors="replace")

    @property
    def ran(self) -> list[str]:
        """The stages that it has started."""
        return RUNNING.findall(self.text)

    def alive(self) -> bool:
        """Whether it is running."""
        return self._process.is_alive()

    def until(self, stages: list[str], seconds: float = 0.0) -> bool:
        """Wait until it has started one of the stages, and so many seconds more, at most until it starts the next.

        Returns whether it is still running then.
        """
        while self.alive() and not set(stages) & set(self.ran):
            time.sleep(LOOK)
        begun, end = len(self.ran), time.monotonic() + seconds
        while self.alive() and len(self.ran) == begun and time.monotonic() < end:
            time.sleep(LOOK)
        return self.alive()

    def stage_process(self) -> psutil.Process | None:
        """The process that runs the stage."""
        with suppress(psutil.NoSuchProcess):
            process = psutil.Process(self.pid)
            while children := process.children():
                process = children[0]
                if "sh" not in process.name():
                    return process
        return None

    def kill(self, number: int, whom: str) -> None:
        """Send a signal to the `stage` process, to `dvc` alone, or to `all` of the session."""
        with suppress(ProcessLookupError):
            if whom == "all":
                os.killpg(self.pid, number)
            elif whom == "dvc":
                os.kill(self.pid, number)
            else:
                while not (process := self.stage_process()) and self.alive():
                    time.sleep(LOOK)
                if process:
                    os.kill(process.pid, number)

    def ended_by(self, number: int, code: int) -> bool:
        """Whether it, or its stage, was seen to end by this signal: killed by it, or interrupted."""
        codes = {-number} | ({INTERRUPTED, -signal.SIGINT} if number != signal.SIGKILL else set())
        return code in codes or any(f"exited with {each}" in self.text for each in codes)

    def ended_by_any(self, code: int) -> bool:
        """Whether it, or its stage, was seen to end by any of the signals that faults send."""
        return any(self.ended_by(number, code) for number in (signal.SIGKILL, signal.SIGTERM))

    def wait(self, seconds: float) -> bool:
        """Wait so long, at most; whether it is still running then."""
        self._process.join(seconds)
        return self.alive()

    def end(self) -> int:
        """Wait for the end; the exit code, or `HUNG` of a run that was killed because it did not come to one."""
        if not self.wait(LIMIT):
            return self._process.exitcode
        self.kill(signal.SIGKILL, "all")
        self._process.join()
        return HUNG

    def problem(self) -> str:
        """What it told about a failure: its error lines, or from a traceback on what it wrote, or nothing."""
        if (start := self.text.find(TRACEBACK)) >= 0:
            return self.text[start : start + SHOWN]
        lines = re.findall(r"^(?:error|ERROR): .+$", self.text, re.MULTILINE)
        return " | ".join(line for line in lines if "exited with" not in line)


class _Cold:
    """A command with the interface of a forked process."""

    def __init__(self, folder: Path, log: Path, command: list[str]):
        with log.open("ab") as out:
            self._process = subprocess.Popen(
                [sys.executable, "-m", *command],
                cwd=folder,
                env=environment(folder),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.pid = self._process.pid

    def is_alive(self) -> bool:
        return self._process.poll() is None

    def join(self, seconds: float | None = None) -> None:
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(seconds)

    @property
    def exitcode(self) -> int | None:
        return self._process.poll()


def strays(folder: Path) -> list[psutil.Process]:
    """Processes at work in `folder`."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if Path(process.cwd()).is_relative_to(folder):
                found.append(process)
    return found


def left_behind(folder: Path) -> str:
    """Which process is still at work in `folder` when all have had time to end; or nothing."""
    end = time.monotonic() + GONE
    while (left := strays(folder)) and time.monotonic() < end:
        time.sleep(LOOK)
    return f"left behind: process {left[0].pid}" if left else ""
