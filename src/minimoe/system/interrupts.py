"""Handle Ctrl-C, SIGTERM and SIGHUP alike, forward them to child processes, and end when the parent has ended.

All three raise KeyboardInterrupt, which can be postponed to a good moment. No process outlives its run:

    make ── python -m minimoe repro ── dvc ── sh -c … ── a stage ── torchrun … ── ranks

A process that is interrupted forwards the signal and waits for its children. One that is killed cannot: then its
children notice and end themselves; programs that are not ours by Linux' parent-death signal (prctl).
"""

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from threading import Thread

PR_SET_PDEATHSIG = 1  # of Linux' prctl: the signal that a process gets when its parent ends
LOOK_SECONDS = 0.5  # between two looks at who is alive


@contextmanager
def terminated_as_interrupt() -> Iterator[None]:
    """SIGTERM and SIGHUP end the block as Ctrl-C does, so that what is open is closed; a second one is ignored."""

    def interrupt(_signal, _frame):
        for number in before:
            signal.signal(number, signal.SIG_IGN)
        raise KeyboardInterrupt

    before: dict[int, object] = {}
    before |= {number: signal.signal(number, interrupt) for number in _heeded(signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def postponed() -> Iterator[Callable[[], bool]]:
    """Within the block SIGTERM, SIGHUP and Ctrl-C are only noted; gives a function that tells whether one came.

    A second Ctrl-C interrupts at once. After the block, what was noted and not acted upon interrupts.
    """
    noted: list[int] = []

    def note(number, _frame):
        if number == signal.SIGINT and signal.SIGINT in noted:
            raise KeyboardInterrupt
        noted.append(number)

    heeded = [*_heeded(signal.SIGTERM, signal.SIGHUP), signal.SIGINT]
    before = {number: signal.signal(number, note) for number in heeded}
    try:
        yield lambda: bool(noted)
        if noted:
            raise KeyboardInterrupt
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _heeded(*numbers: int) -> list[int]:
    """Those signals that are not ignored, as SIGHUP is under nohup, and a second SIGTERM is."""
    return [number for number in numbers if signal.getsignal(number) != signal.SIG_IGN]


def run(command: list[str], end: Callable[[subprocess.Popen], None], environment: dict[str, str] | None = None) -> int:
    """The exit code of a command, which ends before this process does.

    It has a session of its own, so that what a terminal sends to all reaches this process alone, which passes it on.

    Args:
        command: a program and its arguments.
        end: passes an interrupt on, which is raised here when the command has ended; every further Ctrl-C, too.
        environment: the command's; default: this process's.
    """
    end_with_this = partial(end_with, os.getpid())
    process = subprocess.Popen(command, env=environment, start_new_session=True, preexec_fn=end_with_this)
    interrupted = False
    with terminated_as_interrupt():
        while True:
            try:
                process.wait()
                break
            except KeyboardInterrupt:
                interrupted = True
                end(process)
    if interrupted:
        raise KeyboardInterrupt
    return process.returncode


def end_with(parent: int) -> None:
    """Have this process, a child of `parent`, get SIGTERM when that one has ended, where the system is Linux."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:  # it ended before
            os.kill(os.getpid(), signal.SIGTERM)


def end_with_starter() -> None:
    """Have this process get SIGTERM when the one that started it has ended, or has already.

    That is its parent, or where this is a shell, as between DVC and a stage, the shell's; it is of the same process
    group, unlike the process that adopts orphans, unless this process was given a group of its own.
    """
    starters = _starters()
    with suppress(OSError):
        leads = os.getpgrp() == os.getpid()
        if starters[-1] == 0 or (os.getpgid(starters[-1]) != os.getpgrp() and not leads):
            starters = []

    def watch() -> None:
        while starters == _starters():
            time.sleep(LOOK_SECONDS)
        os.kill(os.getpid(), signal.SIGTERM)

    Thread(target=watch, daemon=True).start()


def _starters() -> list[int]:
    """The parent, and while the last one is a shell, its parent, where the system tells that."""
    found = [os.getppid()]
    with suppress(OSError):
        while True:  # "4711 (bash) S 4710 …"
            name, _, values = Path(f"/proc/{found[-1]}/stat").read_text(encoding="utf-8").rpartition(")")
            if not name.endswith("sh"):
                break
            found.append(int(values.split()[1]))
    return found
