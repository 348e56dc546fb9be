"""Run the whole pipeline by `dvc repro`, with the cells of the table in parallel.

DVC runs one stage after another. The cells of the table do not depend on each other, so `grid` runs those that are
stale together; everything else is plain `dvc repro`, and so is a run without this module.
"""

import importlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path

from minimoe import tracking
from minimoe.params import load
from minimoe.pipeline import grid, remote, runner
from minimoe.pipeline.preflight import preflight
from minimoe.pipeline.repair import repair, wait_for_others
from minimoe.system import interrupts, machine
from minimoe.system.errors import UserError

PATIENCE = 20  # seconds to wait for another run in the folder
# what cells import, much of it when they need it
LIBRARIES = (
    "minimoe.finetune.cell",
    "minimoe.report.cost",
    "scipy.stats",
    "seqeval.metrics",
    "sklearn.metrics",
)


def repro(stages: Sequence[str] = ()) -> None:
    """Bring everything up to date, then print the results table and where to look.

    Args:
        stages: run these alone, such as `distill@base`, and print nothing.

    Raises:
        UserError: params.yaml is wrong, or a stage failed (its message has been printed).
    """
    params = load()
    # stages are run as `python`: this one, also where its environment is not activated
    os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    repair()
    wait_for_others(PATIENCE)
    if stages:
        preflight(params.runtime, whole=False)
        _dvc("--single-item", "settings", *stages)
        return
    models = params.table.models
    cells = [f"finetune@{model}-{task}" for task in params.table.tasks for model in models]
    taught = [f"taught@{model}-{task}" for task in params.table.tasks for model in params.taught.models]
    costs = [f"cost@{model}" for model in models]
    stale = _stale()
    preflight(params.runtime, whole=bool(stale - {*costs, "report"}))
    if "settings" in stale:
        _dvc("settings")  # a moment; only after it is known what reads the settings that changed
        stale = _stale()
    if stale - {*cells, *taught, *costs, "report"}:
        _dvc("distill", "tasks", *(["teachers"] if params.teachers else []))  # what the cells depend on;
        stale = _stale()  # only then is it known which of them are stale
    threads = max(params.finetuning(task).threads for task in params.table.tasks)
    finetune([cell for cell in cells if cell in stale], params.runtime, threads)
    if taught:
        stale |= _stale()  # what the cells of their teacher made may have changed
        finetune([cell for cell in taught if cell in stale], params.runtime, threads)
    grid.run([cost for cost in costs if cost in stale], partial(_as_many, 1, 1), _import)  # because they measure time
    if stale:
        _dvc()
    _show()


def finetune(cells: list[str], settings, threads: int = 1) -> None:
    """Bring cells of the table up to date, side by side.

    Args:
        cells: `finetune@model-task`.
        settings: the params' `runtime`.
        threads: cores that a cell computes on.
    """
    longest_first = sorted(cells, key=_examples, reverse=True)  # no long one is left to the end
    workers, start = where(settings, threads)
    grid.run(longest_first, workers, partial(prepare, machine.CELL_ENVIRONMENT, settings.tracking), start)


def where(settings, threads: int) -> tuple[grid.Workers, Callable[[str, list[str]], None]]:
    """How many cells run at once, and what starts one: on this machine, by a launcher, or on a cluster."""
    if settings.cell_launcher != "python":
        return partial(_as_many, settings.workers, threads), partial(remote.by_launcher, settings.cell_launcher)
    if settings.backend != "loky":
        return partial(remote.cluster_workers, settings, threads), partial(remote.on_cluster, settings, threads)
    return partial(side_by_side, settings, threads), runner.as_main


def side_by_side(settings, threads: int) -> list[grid.Environment]:
    """The environment of each process that brings cells up to date: its GPU, which others may share, or cores."""
    gpus = [] if settings.device == "cpu" else machine.gpus()
    if not gpus:
        return _as_many(settings.workers, threads)
    return [{machine.VISIBLE: gpu} for _ in range(settings.cells_per_gpu) for gpu in gpus]


def _as_many(wanted: int, threads: int) -> list[grid.Environment]:
    return [{}] * machine.workers(wanted, threads)


def ui(port: int) -> None:
    """Serve MLflow's pages for this machine's browser until interrupted."""
    settings = load().runtime.tracking
    uri = tracking.address(settings.uri)
    if uri.startswith("http"):
        raise UserError(f"runtime.tracking.uri: {uri} is a server already; open it in a browser")
    _, experiment = tracking.connect(settings)
    # without the address's end, MLflow opens on pages for language models
    page = f"http://127.0.0.1:{port}/#/experiments/{experiment}/runs?workflowType=machine_learning"
    print(f"MLflow: {page}  (Ctrl-C ends it)", flush=True)
    served = ["--backend-store-uri", uri, "--host", "127.0.0.1", "--port", str(port)]
    # a page of another site may not reach it by a name that leads here
    served += ["--allowed-hosts", "127.0.0.1:*,localhost:*,127.0.0.1,localhost"]
    os.environ["MLFLOW_SERVER_DISABLE_SECURITY_MIDDLEWARE"] = "false"
    os.execv(sys.executable, [sys.executable, "-m", "mlflow", "ui", *served])


def _stale() -> set[str]:
    """The stages that `dvc repro` would run."""
    from dvc.lock import LockError
    from dvc.repo import Repo

    end = time.monotonic() + PATIENCE
    while True:
        try:
            with Repo() as repo:
                return set(repo.status())  # of all stages: faster than of many named ones
        except LockError as error:  # what is left of a run that was killed ends soon
            if time.monotonic() > end:
                reason = " ".join(str(error).split())
                raise UserError(f"another run is at work here: {reason}; run again when it has ended") from None
            time.sleep(1)


def _examples(cell: str) -> int:
    """The size of a cell's training set, in bytes; 0 where nothing is trained."""
    path = Path(f"data/tasks/{cell.rpartition('-')[2]}/train.jsonl")
    return path.stat().st_size if path.exists() else 0


def prepare(environment: dict[str, str], settings) -> None:
    """Import under the cells' environment, and set up MLflow's database where one is used."""
    os.environ.update(environment)
    _import()
    if settings.enabled:
        with suppress(tracking.UnreachableError):  # cells say so, and go on
            tracking.connect(settings)


def _import() -> None:
    for library in LIBRARIES:
        importlib.import_module(library)


def _dvc(*targets: str) -> None:
    command = [sys.executable, "-m", "dvc", "--wait-for-lock", "repro", *targets]
    if interrupts.run(command, _end):
        raise UserError(grid.FAILED)


def _end(process: subprocess.Popen) -> None:
    """As Ctrl-C in a terminal, which reaches the stage as well: DVC waits for its end."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGINT)


def _show() -> None:
    reports = Path("reports").resolve()
    print(f"\n{(reports / 'results.txt').read_text(encoding='utf-8')}")
    print(f"Report page: {(reports / 'index.html').as_uri()}")
    print("MLflow:      minimoe ui (or make ui), then open the address that it prints")
