"""Run a training stage as several processes, by an existing launcher: torchrun, accelerate launch, srun, mpirun.

DVC runs `python -m stages.distill base`. That process runs the launcher, which starts the same module as often as it
was told to, on as many machines, and waits:

    dvc ── python -m stages.distill base ── torchrun … ─┬─ python -m stages.distill base     rank 0, which writes
                                                        └─ python -m stages.distill base     rank 1

The launcher is not in the stage's command, where a change would invalidate the stage's results. A rank that fails
leaves its message in a file of the working folder, the first one's stays, and the waiting process says it last, once:
launchers print a page of their own.
"""

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from minimoe.system.errors import FAILURE, UserError
from minimoe.system.interrupts import end_with, run

WORK = Path("work")
GRACE = "TORCH_ELASTIC_SHUTDOWN_TIMEOUT"  # seconds that torchrun's processes have after SIGTERM; its own default is 30


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
        end_with(os.getppid())
        return
    if launcher == "python":
        return
    command = [*arguments(launcher), "-m", module, *sys.argv[1:]]
    os.environ.setdefault(GRACE, "300")  # a checkpoint of a large round takes longer to write
    WORK.mkdir(exist_ok=True)
    with TemporaryDirectory(dir=WORK, prefix="launch.") as folder:
        failure = Path(folder, "failure").absolute()
        code = run(command, _end, os.environ | {FAILURE: str(failure)})
        if code and failure.exists():
            raise UserError(failure.read_text(encoding="utf-8"))
    if code:
        raise UserError(f"runtime.launcher: {command[0]} ended with code {code}; see its error above")
    sys.exit()


def arguments(launcher: str, key: str = "runtime.launcher") -> list[str]:
    """The program of a launcher, which params.yaml names at `key`, as a path, and its arguments.

    A program beside this Python comes first: another environment's torchrun would start another Python.
    """
    program, *rest = (_expanded(word, key) for word in shlex.split(launcher))
    found = shutil.which(program, path=Path(sys.executable).parent) or shutil.which(program)
    if not found:
        raise UserError(f"{key}: no program {program!r} here; install it, or use python, torchrun …, srun …")
    return [found, *rest]


def _expanded(word: str, key: str) -> str:
    expanded = os.path.expandvars(word)
    if missing := re.search(r"\$\{?(\w+)", expanded):
        raise UserError(f"{key}: no variable {missing[1]} in the environment; expected by {word!r}")
    return expanded


def _end(process: subprocess.Popen) -> None:
    """Ask the launcher to end, once: a second signal would cut torchrun's end short."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    process.terminate()
