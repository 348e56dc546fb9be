"""The command: what stands on disk, how fast this machine is, and a row for each stage of the graph."""

import math
import re
import shutil
import time
from pathlib import Path

import psutil

from minimoe.params import load as load_params
from minimoe.system.errors import UserError
from minimoe.system.files import write_json
from minimoe.system.machine import cores


def plan(root: str | Path, *, given: float | None, devices: int | None, online: bool, json: str | None) -> None:
    """Print what a run of the repository `root` would take.

    Args:
        given: sequences a second of the first round, on one device; None: measured by a short trial.
        devices: that a round is shared out to; None: as runtime.launcher says.
        online: ask the dump's server for its size.
        json: a file for the numbers.

    Raises:
        UserError: params.yaml is wrong, or something that nothing here knows.
    """
    if (given is not None and given <= 0) or (devices is not None and devices < 1):
        raise UserError("plan: expected more than 0 sequences a second and at least 1 device")
    if json and (Path(json).is_dir() or not Path(json).absolute().parent.is_dir()):
        raise UserError(f"--json: expected the name of a file in a folder that is there, got {json}")
    load, start = psutil.getloadavg()[0] / cores(), _start_up()
    from minimoe.plan.done import done
    from minimoe.plan.show import as_json, text

    run = prepare(Path(root), done(root), start, given, devices, online)
    rows, machine = stages(run), _machine(run, load)
    print(text(run, rows, machine))
    if json:
        write_json(json, as_json(run, rows, machine))


def prepare(root: Path, done: set[str], start: float, given: float | None, devices: int | None, online: bool):
    """The `Run` of the params in `root`; `start` is the seconds until a stage begins."""
    import torch

    from minimoe.plan import corpus
    from minimoe.plan.examples import examples
    from minimoe.plan.rates import rates
    from minimoe.plan.row import Run
    from minimoe.plan.shapes import Shapes

    params = load_params(root / "params.yaml")
    shapes = Shapes(params, root, done)
    wanted = params.runtime.device
    there = torch.cuda.is_available()
    # speeds that are given may be another machine's
    device = "cuda" if wanted != "cpu" and (there or (given and wanted == "cuda")) else "cpu"
    return Run(
        params,
        root,
        done,
        shapes,
        corpus.measure(params, root, done, online),
        {task: examples(task, params, root, done) for task in params.table.tasks},
        rates(shapes, device, start, given),
        device,
        devices or launched(params.runtime.launcher),
    )


def stages(run) -> list:
    """A row for every stage, in the order of the graph; cells and costs together."""
    from minimoe.plan import stages, training

    rounds = [training.distill(run, name) for name in run.params.rounds]
    cells = [training.finetune(run, task) for task in run.params.table.tasks]
    tasks, *others = stages.tables(run)
    return [*stages.texts(run), *stages.teachers(run), *rounds, tasks, *cells, *others]


def launched(launcher: str) -> int:
    """Processes that the launcher starts; torchrun's `gpu` is as many as there are."""
    import torch

    found = re.search(r"--(?:nproc[-_]per[-_]node|num_processes)[= ](\w+)", launcher)
    if not found:
        return 1
    return int(found[1]) if found[1].isdigit() else max(1, torch.cuda.device_count())


def _start_up() -> float:
    """Seconds that the imports of a stage take; so this comes before all others."""
    start = time.perf_counter()
    import mlflow  # noqa: F401

    import minimoe.distill.round
    import minimoe.finetune.cell  # noqa: F401

    return time.perf_counter() - start


def _machine(run, load: float):
    import torch

    from minimoe.plan.show import Machine

    memory = psutil.virtual_memory().total
    if run.device == "cuda":  # another machine's, where there is none here, is not known
        memory = torch.cuda.get_device_properties(0).total_memory if torch.cuda.is_available() else math.inf
    return Machine(shutil.disk_usage(run.root).free, memory, load)
