"""`minimoe plan`: which stages are up to date, how fast this machine is, and a row for each stage of the graph."""

import math
import re
import shutil
from pathlib import Path

import mlflow  # noqa: F401  (what stages import is imported here, and timed)
import psutil
import torch

from minimoe.params import load
from minimoe.params.resolve import resolve, text
from minimoe.params.settings import FOLDER
from minimoe.pipeline.project import project
from minimoe.plan import constants, sizes, stages, table, timing
from minimoe.plan.models import Models
from minimoe.plan.row import Run
from minimoe.system.errors import UserError
from minimoe.system.files import write_json
from minimoe.system.machine import cores, gpus


def plan(
    root: str | Path,
    *,
    start: float,
    given: float | None,
    gpu: str | None,
    devices: int | None,
    online: bool,
    json: str | None,
) -> None:
    """Print what a run of the repository `root` would take.

    Args:
        start: seconds that it took to import this module, as a stage takes before its work.
        given: sequences a second of the first round, on one device; None: measured by a short trial.
        gpu: a kind in `constants.GPUS` whose speeds are estimated; None: measured.
        devices: that share a round's work and hold cells; None: as runtime.launcher says, and all GPUs of this machine.
        online: ask the dump's server for its size.
        json: a file for the numbers.

    Raises:
        UserError: params.yaml is wrong, or a size that nothing here tells.
    """
    if (given is not None and given <= 0) or (devices is not None and devices < 1):
        raise UserError("plan: expected more than 0 sequences a second and at least 1 device")
    if gpu and (given or gpu not in constants.GPUS):
        raise UserError(f"plan: expected --sequences-per-second or --gpu {', '.join(constants.GPUS)}; got --gpu {gpu}")
    if json and (Path(json).is_dir() or not Path(json).absolute().parent.is_dir()):
        raise UserError(f"--json: expected the name of a file in a folder that is there, got {json}")
    load_average = psutil.getloadavg()[0] / cores()
    kind = constants.GPUS[gpu] if gpu else None
    run = prepare(Path(root), _done(Path(root)), start, given, kind, devices, online)
    rows, machine = stages.rows(run), _machine(run, kind, load_average)
    print(table.text(run, rows, machine))
    if json:
        write_json(json, table.as_json(run, rows, machine))


def prepare(
    root: Path,
    done: set[str],
    start: float,
    given: float | None,
    gpu: constants.Gpu | None,
    devices: int | None,
    online: bool,
) -> Run:
    """What a plan of the params in `root` follows from; arguments as of `plan`, `done` are the stages up to date."""
    params = load(root / "params.yaml")
    models, wanted = Models(params, root, done), params.runtime.device
    # speeds that are given may be another machine's
    cuda = gpu or (wanted != "cpu" and (torch.cuda.is_available() or (given and wanted == "cuda")))
    device = "cuda" if cuda else "cpu"
    return Run(
        params,
        root,
        done,
        models,
        sizes.corpus(params, root, done, online),
        {task: sizes.examples(task, params, root, done) for task in params.table.tasks},
        timing.measure(models, device, start, given, gpu),
        device,
        devices or launched(params.runtime.launcher),
        devices or max(1, len(gpus())),
    )


def launched(launcher: str) -> int:
    """Processes that the launcher starts; torchrun's `gpu` is as many as there are."""
    found = re.search(r"--(?:nproc[-_]per[-_]node|num_processes)[= ](\w+)", launcher)
    if not found:
        return 1
    return int(found[1]) if found[1].isdigit() else max(1, torch.cuda.device_count())


def _machine(run: Run, gpu: constants.Gpu | None, load_average: float) -> table.Machine:
    memory = psutil.virtual_memory().total
    if gpu:
        memory = gpu.memory
    elif run.device == "cuda":  # that of another machine, where there is none here, is not known
        memory = torch.cuda.get_device_properties(0).total_memory if torch.cuda.is_available() else math.inf
    return table.Machine(shutil.disk_usage(run.root).free, memory, load_average)


def _done(root: Path) -> set[str]:
    """Names of the stages that are up to date; `UserError` where DVC cannot say."""
    from dvc.lock import LockError

    try:
        with project(root) as repo:
            changed = set(repo.status())
            if "settings" in changed:  # params.yaml was edited, and nothing has run since
                changed = changed - {"settings"} | _with_other_settings(repo.index.stages, root)
            return up_to_date(repo.index.graph, changed)
    except LockError:
        raise UserError("another dvc command is running here; plan when it has ended") from None


def _with_other_settings(all_stages, root: Path) -> set[str]:
    """Names of the stages whose settings are not those of their last run."""
    now = {root / FOLDER / f"{name}.json": text(values) for name, values in resolve(load(root / "params.yaml")).items()}
    changed = {str(path.relative_to(root)) for path, content in now.items() if _read(path) != content}
    return {stage.addressing for stage in all_stages if changed & {dep.def_path for dep in stage.deps}}


def _read(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.is_file() else None


def up_to_date(graph, changed: set[str]) -> set[str]:
    """Stages of `graph` that neither changed nor stand on one that did; edges lead to what a stage depends on.

    DVC compares each stage with what lies on disk now: what stands on a stage that will run anew looks up to date.
    """
    from networkx import descendants

    return {
        stage.name
        for stage in graph
        if not changed & {stage.name, *(needed.name for needed in descendants(graph, stage))}
    }
