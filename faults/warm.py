"""`dvc repro` in a fork of a process that has imported everything, and so are the stages that it starts."""

import importlib
import os
import runpy
import sys
import threading
from multiprocessing import get_context
from pathlib import Path

from faults.pipeline import environment
from minimoe.pipeline.repair import repair
from minimoe.pipeline.repro import LIBRARIES as CELLS
from minimoe.system.interrupts import end_with_starter
from minimoe.system.machine import importing

FORK = get_context("fork")
LIBRARIES = (  # what DVC and the stages import
    *CELLS,
    "dvc.commands.repro",
    "minimoe.corpus.build",
    "minimoe.corpus.download",
    "minimoe.corpus.extract",
    "minimoe.corpus.format",
    "minimoe.distill.round",
    "minimoe.report.page",
    "minimoe.sparsify.make",
    "minimoe.tasks.prepare",
    "minimoe.teacher.pretrain",
    "mlflow.store.tracking.sqlalchemy_store",
)


def warm() -> None:
    """Import what all runs need, of which they are forks."""
    os.environ["OMP_NUM_THREADS"] = "1"  # as a cold run's `environment`; PyTorch looks at it once
    with importing():
        for library in LIBRARIES:
            importlib.import_module(library)


def repro(folder: Path, log: Path, targets: tuple[str, ...]) -> None:
    """`dvc repro` in this process, its stages in forks of it.

    First, as in `python -m minimoe repro`, what a kill has left half-written of DVC's own files is repaired.
    """
    import dvc.stage.run
    from dvc.cli import main

    os.setsid()
    os.chdir(folder)
    os.environ.update(environment(folder))
    out = os.open(log, os.O_WRONLY | os.O_APPEND)
    os.dup2(out, 1)
    os.dup2(out, 2)
    sys.stdout.reconfigure(line_buffering=True)
    dvc.stage.run.cmd_run = _command
    repair()
    sys.exit(main(["repro", *targets]))


def _command(stage, dry: bool = False, run_env: dict | None = None) -> None:
    """Run a stage's command in a fork, in place of DVC's own `cmd_run`, which starts a shell for it."""
    from dvc.stage.exceptions import StageCmdFailedError
    from dvc.stage.run import prepare_kwargs

    print(f"Running stage '{stage.addressing}':")
    _, _, module, *arguments = stage.cmd.split()
    process = FORK.Process(target=_stage, args=(module, arguments, prepare_kwargs(stage, run_env=run_env)["env"]))
    process.start()
    process.join()
    if process.exitcode:
        raise StageCmdFailedError(stage.cmd, process.exitcode)


def _stage(module: str, arguments: list[str], variables: dict[str, str]) -> None:
    """As `python -m module arguments`."""
    os.environ.clear()
    os.environ.update(variables)
    end_with_starter()  # as stages/__init__.py has it
    sys.argv = [module, *arguments]
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    finally:
        threading._shutdown()  # as a program's end does, which joblib's threads wait for
