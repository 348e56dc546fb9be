"""Run the whole pipeline as `dvc repro` does, with the cells of the table in parallel.

DVC runs one stage after another, and each imports PyTorch for itself. Here they run in waves of forks (`grid`): in
order what rounds depend on; rounds, side by side where there are cores for several; the cells of the table, side by
side; exports likewise; in order the rest, of which costs are measured with nothing beside them. A run without this
module is plain `dvc repro`.
"""

import importlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import networkx

from minimoe import tracking
from minimoe.params import load
from minimoe.pipeline import grid, remote, runner
from minimoe.pipeline.preflight import preflight
from minimoe.pipeline.progress import Progress
from minimoe.pipeline.project import project
from minimoe.pipeline.repair import repair, wait_for_others
from minimoe.system import interrupts, machine
from minimoe.system.errors import UserError

PATIENCE = 20  # seconds to wait for another run in the folder
# before anything is imported in a process that forks: NumPy starts no threads, and looking for a GPU opens none
FORGE_ENVIRONMENT = {"OPENBLAS_NUM_THREADS": "1", "PYTORCH_NVML_BASED_CUDA_CHECK": "1"}
# what stages import, much of it when they need it
LIBRARIES = (
    "minimoe.distill.round",
    "minimoe.finetune.cell",
    "minimoe.report.cost",
    "minimoe.sparsify.make",
    "minimoe.teacher.pretrain",
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
    cells = [f"finetune@{model}-{task}" for task in params.table.tasks for model in params.table.models]
    taught = [f"taught@{model}-{task}" for task in params.table.tasks for model in params.taught.models]
    outdated = look(cells)
    shown = {"report"} | {f"cost@{model}" for model in params.table.models}
    shown |= {f"export@{model}" for model in params.export.models}
    shown |= {f"export-head@{model}-{task}" for model in params.export.models for task in params.export.tasks}
    preflight(params.runtime, whole=bool(outdated.stale - shown))
    if outdated.all:
        grid.run(_waves(params, cells, taught), partial(prepare, params.runtime.tracking), Progress(outdated.all, _all))
    _show()


@dataclass(frozen=True)
class Outdated:
    """Stages that are stale, or depend on one that is."""

    stale: set[str]  # those that are known to be
    before: list[str]  # of all, in order, those that a cell of the table depends on; where none is given, all
    after: list[str]  # in order, the others; the cells are among them
    needs: dict[str, set[str]]  # of all, those that each depends on

    @property
    def all(self) -> set[str]:
        """Those that will be visited."""
        return {*self.before, *self.after}


def _waves(params, cells: list[str], taught: list[str]) -> list[grid.Wave]:
    threads = max(params.finetuning(task).threads for task in params.table.tasks)
    workers, start = where(params.runtime, threads)
    return [
        grid.Wave(partial(_before, cells, rounds=False), ends=True),
        grid.Wave(partial(_before, cells, rounds=True), partial(rounds_side_by_side, params.runtime), ends=True),
        grid.Wave(partial(_longest_first, cells), workers, start),
        grid.Wave(partial(_longest_first, taught), workers, start),
        grid.Wave(_exports, partial(_as_many, params.runtime.workers, threads)),
        grid.Wave(_rest, ends=True),
    ]


def _before(cells: list[str], rounds: bool) -> grid.Stages:
    """What cells depend on: rounds, or all but them, of which none depends on a round."""
    outdated = look(cells)
    chosen = [stage for stage in outdated.before if stage.startswith("distill@") == rounds]
    return {stage: outdated.needs[stage] & set(chosen) for stage in chosen}


def _longest_first(cells: list[str]) -> grid.Stages:
    """Those that are stale; no long one is left to the end."""
    stale = look().stale
    return grid.apart(sorted((cell for cell in cells if cell in stale), key=_examples, reverse=True))


def _all() -> set[str]:
    return look().all


def _exports() -> grid.Stages:
    return grid.apart([stage for stage in look().before if stage.startswith("export")])


def _rest() -> grid.Stages:
    return grid.apart(look().before)  # one worker takes them in their order


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
    own = [{machine.VISIBLE: gpu} for _ in range(settings.cells_per_gpu) for gpu in gpus]
    return [machine.CELL_ENVIRONMENT | gpu for gpu in own]


def rounds_side_by_side(settings) -> list[grid.Environment]:
    """The environment of each process that brings rounds up to date: one, where each takes the GPUs or all cores."""
    alone = not settings.round_threads or settings.launcher != "python" or machine.device(settings.device) == "cuda"
    return grid.alone() * (1 if alone else machine.workers(0, settings.round_threads))


def _as_many(wanted: int, threads: int) -> list[grid.Environment]:
    return [machine.CELL_ENVIRONMENT] * machine.workers(wanted, threads)


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


def look(cells: Sequence[str] = ()) -> Outdated:
    """Find out what is outdated. `cells`: names of cells of the table."""
    from dvc.lock import LockError

    end = time.monotonic() + PATIENCE
    while True:
        try:
            with project() as repo:
                return _outdated(repo, set(cells))
        except LockError as error:  # what is left of a run that was killed ends soon
            if time.monotonic() > end:
                reason = " ".join(str(error).split())
                raise UserError(f"another run is at work here: {reason}; run again when it has ended") from None
            time.sleep(1)


def _outdated(repo, cells: set[str]) -> Outdated:
    stale = set(repo.status())  # of all stages: faster than of many named ones
    places = {stage: place for place, stage in enumerate(repo.index.stages)}
    graph = repo.index.graph  # a stage leads to those that it depends on
    needed = {stage for stage in places if stage.addressing in cells}
    needed = set().union(*(networkx.descendants(graph, cell) for cell in needed)) if cells else set(places)
    before, after, reached, needs = [], [], set(), {}
    for stage in networkx.lexicographical_topological_sort(graph.reverse(), places.get):
        depends = set(graph.successors(stage))
        if stage.addressing in stale or depends & reached:
            reached.add(stage)
            (before if stage in needed else after).append(stage.addressing)
            needs[stage.addressing] = {other.addressing for other in depends}
    return Outdated(stale, before, after, needs)


def _examples(cell: str) -> int:
    """The size of a cell's training set, in bytes; 0 where nothing is trained."""
    path = Path(f"data/tasks/{cell.rpartition('-')[2]}/train.jsonl")
    return path.stat().st_size if path.exists() else 0


def prepare(settings) -> None:
    """Import what stages need, and set up MLflow's database where one is used."""
    os.environ |= FORGE_ENVIRONMENT
    for library in LIBRARIES:
        importlib.import_module(library)
    if settings.enabled:
        with suppress(tracking.UnreachableError):  # stages say so, and go on
            tracking.connect(settings)


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
    print("Next:        edit a line of params.yaml, such as a student's experts, and run again")
