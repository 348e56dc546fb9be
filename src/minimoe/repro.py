"""The whole pipeline by `dvc repro`, with the finetuning cells side by side.

DVC runs one stage after another. The cells of the table do not depend on each other, so several `dvc repro`
processes take them in turn; everything else is one plain `dvc repro`, and so is a run without this module.
"""

import itertools
import os
import subprocess
import sys
from pathlib import Path

from minimoe import tracking
from minimoe.errors import UserError
from minimoe.params import load
from minimoe.runtime import workers


def repro() -> None:
    """Bring everything up to date, then print the results table and where to look.

    Raises:
        UserError: params.yaml is wrong, or a stage failed (DVC has printed why).
    """
    params = load()
    cells = [f"finetune@{model}-{task}" for model, task in itertools.product(params.table.models, params.table.tasks)]
    _dvc("distill", "tasks")  # what the cells depend on; only then is it known which of them are stale
    stale = _stale(cells)
    count = min(len(stale), workers(params.runtime.workers))
    _together([["--single-item", *stale[n::count]] for n in range(count)])
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


def _stale(cells: list[str]) -> list[str]:
    """The cells that `dvc repro` would run."""
    from dvc.repo import Repo

    with Repo() as repo:
        changed = repo.status()  # of all stages: faster than of many named ones
    return [cell for cell in cells if cell in changed]


def _dvc(*targets: str) -> None:
    _together([list(targets)])


def _together(commands: list[list[str]]) -> None:
    """Run several `dvc repro` at once; all are waited for, then the first failure counts."""
    dvc = [sys.executable, "-m", "dvc", "--wait-for-lock", "repro"]
    running = [subprocess.Popen([*dvc, *command]) for command in commands]
    if any([process.wait() for process in running]):
        raise UserError("a stage failed; its own message stands above; mend it and run again: what is done stays done")


def _show() -> None:
    reports = Path("reports").resolve()
    print(f"\n{(reports / 'results.txt').read_text(encoding='utf-8')}")
    print(f"Report page: {(reports / 'index.html').as_uri()}")
    print("MLflow:      make ui, then open the address that it prints")
