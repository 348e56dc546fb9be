"""The whole pipeline by `dvc repro`, with the cells of the table side by side.

DVC runs one stage after another. The cells of the table do not depend on each other, so `grid` runs those that are
stale together; everything else is plain `dvc repro`, and so is a run without this module.
"""

import importlib
import os
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

from minimoe import grid, runtime, tracking
from minimoe.errors import UserError
from minimoe.params import load

# what cells import, much of it when they need it
LIBRARIES = (
    "minimoe.finetune.cell",
    "minimoe.report.cost",
    "scipy.stats",
    "seqeval.metrics",
    "sklearn.metrics",
)


def repro() -> None:
    """Bring everything up to date, then print the results table and where to look.

    Raises:
        UserError: params.yaml is wrong, or a stage failed (its message has been printed).
    """
    params = load()
    models, tasks = params.table.models, params.table.tasks
    costs = [f"cost@{model}" for model in models]
    cells = [f"finetune@{model}-{task}" for task in tasks for model in models]
    stale = _stale()
    if stale - {*cells, *costs, "report"}:
        _dvc("distill", "tasks", *(["teachers"] if params.teachers else []))  # what the cells depend on;
        stale = _stale()  # only then is it known which of them are stale
    workers = runtime.workers(params.runtime.workers)
    cells.sort(key=_examples, reverse=True)  # no long one is left to the end
    _side_by_side(cells, stale, workers, partial(_prepare, runtime.cell_environment(workers), params.runtime.tracking))
    _side_by_side(costs, stale, 1, partial(_prepare, {}, None))  # alone, because they measure time
    if stale:
        _dvc()
    _show()


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
    os.execv(sys.executable, [sys.executable, "-m", "mlflow", "ui", *served])


def _stale() -> set[str]:
    """The stages that `dvc repro` would run."""
    from dvc.repo import Repo

    with Repo() as repo:
        return set(repo.status())  # of all stages: faster than of many named ones


def _examples(cell: str) -> int:
    """The size of a cell's training set, in bytes."""
    return Path(f"data/tasks/{cell.rpartition('-')[2]}/train.jsonl").stat().st_size


def _side_by_side(stages: list[str], stale: set[str], workers: int, prepare: Callable[[], None]) -> None:
    chosen = [stage for stage in stages if stage in stale]
    if chosen:
        grid.run(chosen, min(len(chosen), workers), prepare)


def _prepare(environment: dict[str, str], settings) -> None:
    """Import what cells need, under their environment, and set up the database where runs are tracked in one."""
    os.environ.update(environment)
    for library in LIBRARIES:
        importlib.import_module(library)
    if settings and settings.enabled:
        tracking.connect(settings)


def _dvc(*targets: str) -> None:
    command = [sys.executable, "-m", "dvc", "--wait-for-lock", "repro", *targets]
    if subprocess.run(command).returncode:
        raise UserError("a stage failed; its own message stands above; mend it and run again: what is done stays done")


def _show() -> None:
    reports = Path("reports").resolve()
    print(f"\n{(reports / 'results.txt').read_text(encoding='utf-8')}")
    print(f"Report page: {(reports / 'index.html').as_uri()}")
    print("MLflow:      make ui, then open the address that it prints")
