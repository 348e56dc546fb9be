"""A training stage as several processes, started by an engine that exists: torchrun, accelerate launch, srun, mpirun.

DVC runs `python -m stages.distill base`. That process runs the launcher, which starts the same module as often as it
was told to, on as many machines, and waits:

    dvc ── python -m stages.distill base ── torchrun … ─┬─ python -m stages.distill base     rank 0, which writes
                                                        └─ python -m stages.distill base     rank 1

The launcher is not in the stage's command, where a change would invalidate the stage's results. A rank that fails
leaves its message in a file of the working folder, the first one's stays, and the waiting process says it last, once:
launchers print a page of their own. Whoever is killed takes those that it started along.
"""

import ctypes
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from minimoe.errors import FAILURE, UserError

WORK = Path("work")
GRACE = "TORCH_ELASTIC_SHUTDOWN_TIMEOUT"  # seconds that torchrun's processes have after SIGTERM; its own default is 30
PR_SET_PDEATHSIG = 1  # of Linux' prctl: the signal that a process gets when its parent ends


def launch(launcher: str, module: str) -> None:
    """Run `module` under `launcher` with this process's arguments, and end with it; return where that is not to be.

    That is where the launcher is plain python, and in the processes that a launcher has started.

    Args:
        launcher: `runtime.launcher`: a program and its arguments; `$NAME` in them is a variable of the environment.
        module: the stage, such as `stages.distill`.

    Raises:
        UserError: the launcher cannot be started, or a process failed, with the first one's message.
    """
    if FAILURE in os.environ or "LOCAL_RANK" in os.environ:
        end_with_parent()
        return
    if launcher == "python":
        return
    command = [*arguments(launcher), "-m", module, *sys.argv[1:]]
    os.environ.setdefault(GRACE, "300")  # a checkpoint of a large round takes longer to write
    WORK.mkdir(exist_ok=True)
    with TemporaryDirectory(dir=WORK, prefix="launch.") as folder:
        failure = Path(folder, "failure").absolute()
        code = _wait(command, os.environ | {FAILURE: str(failure)})
        if code and failure.exists():
            raise UserError(failure.read_text(encoding="utf-8"))
    if code:
        raise UserError(f"runtime.launcher: {command[0]} ended with code {code}; what went wrong stands above")
    sys.exit()


def arguments(launcher: str) -> list[str]:
    """The launcher's program, as a path, and its arguments.

    A program beside this Python comes first: another environment's torchrun would start another Python.
    """
    program, *rest = (_expanded(word) for word in shlex.split(launcher))
    found = shutil.which(program, path=Path(sys.executable).parent) or shutil.which(program)
    if not found:
        raise UserError(f"runtime.launcher: no program {program!r} here; install it, or use python or torchrun …")
    return [found, *rest]


def _expanded(word: str) -> str:
    expanded = os.path.expandvars(word)
    if missing := re.search(r"\$\{?(\w+)", expanded):
        raise UserError(f"runtime.launcher: no variable {missing[1]} in the environment; expected by {word!r}")
    return expanded


def _wait(command: list[str], environment: dict[str, str]) -> int:
    """The exit code of a command; one that is interrupted, by Ctrl-C or SIGTERM, is told so once."""
    # in a session of its own, because a second signal, the terminal's to all, would cut torchrun's end short
    process = subprocess.Popen(command, env=environment, start_new_session=True, preexec_fn=end_with_parent)
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        return process.wait()
    except KeyboardInterrupt:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        process.terminate()
        process.wait()
        raise
    finally:
        signal.signal(signal.SIGTERM, before)


def end_with_parent() -> None:
    """Have this process told to end when its parent has: one that is killed cannot tell it."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
