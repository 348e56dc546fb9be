"""Run a stage on another machine: one of a Dask or Ray cluster, or wherever a launcher such as srun takes it.

DVC stays here, with its cache and lock file. The machine over there runs `python -m stages.finetune …` in the project's
folder, which it sees under the same path; what that prints is shown here.

    worker ── fork of it: `on_cluster` ── scheduler ── process of the cluster: `there` ── python -m stages.finetune …

A stage whose process or machine is lost is tried again, wherever there is room; one that fails by itself is not. One
that nobody waits for any more ends: Dask tells its worker so, Ray interrupts its own, and both notice when the process
that waits was killed.
"""

import os
import sys
from collections.abc import Callable
from pathlib import Path
from threading import Event
from uuid import uuid4

from minimoe.pipeline import there
from minimoe.pipeline.there import END_SECONDS, LOOK_SECONDS, Stage
from minimoe.system import clusters, interrupts, launch, machine
from minimoe.system.errors import UserError, exit_cleanly

TRIES = 3
ENVIRONMENT = machine.CELL_ENVIRONMENT | {
    "TQDM_MININTERVAL": "10",  # seconds between two lines of progress
    "MINIMOE_PATIENCE": "120",  # seconds: the lock of a machine that is lost outlives it on NFS, by 90 as a rule
}


class LostError(Exception):
    """A stage came to nothing by no fault of its own."""


def cluster_workers(settings, threads: int) -> list[dict[str, str]]:
    """An environment for each stage that a cluster has room for at once: by its GPUs, or else its cores.

    Args:
        settings: the params' `runtime`.
        threads: cores that a stage computes on.
    """
    count = {"dask": _dask_room, "ray": _ray_room}[settings.backend](settings, threads)
    if not count:
        raise UserError(f"runtime.scheduler: the cluster at {settings.scheduler} has no room for a single cell")
    return [{}] * count


def on_cluster(settings, threads: int, module: str, arguments: list[str]) -> None:
    """Run a stage on a cluster, and exit with its code."""
    environment = ENVIRONMENT | {name: value for name, value in os.environ.items() if name.startswith("DVC_")}
    stage = Stage(module, arguments, Path.cwd(), environment, settings.device)
    once = {"dask": _on_dask, "ray": _on_ray}[settings.backend]
    exit_cleanly(lambda: _tried(stage.name, lambda: once(settings, threads, stage)))


def by_launcher(launcher: str, module: str, arguments: list[str]) -> None:
    """Run a stage under a launcher, such as `srun -n1 python`, and exit with its code."""
    name = Stage(module, arguments).name

    def once() -> int:
        command = [*launch.arguments(launcher, "runtime.cell_launcher"), "-m", module, *arguments]
        return interrupts.run(command, lambda process: process.terminate(), os.environ | ENVIRONMENT)

    exit_cleanly(lambda: _tried(name, once))


def _tried(name: str, once: Callable[[], int]) -> None:
    """Try until it is not lost, and exit with its code; a process that a signal ended is lost."""
    for number in range(1, TRIES + 1):
        try:
            code = once()
            lost = f"its process was told to end or killed (code {code})" if not 0 <= code <= 128 else ""
        except LostError as error:
            lost = str(error)
        if not lost:
            sys.exit(code)
        print(f"{name}: try {number} of {TRIES} was lost: {lost}", file=sys.stderr, flush=True)
    raise UserError(f"{name}: lost {TRIES} times, as said above; see the logs of the machines, and run again")


def _show(stage: Stage, line: str) -> None:
    print(f"{stage.name}: {line}", flush=True)


def _share(settings) -> float:
    """The part of a GPU that a cell takes; rounded down, so that all of them find room."""
    return int(1e4 / settings.cells_per_gpu) / 1e4


def _dask_workers(client) -> list[dict]:
    return list(client.scheduler_info(n_workers=-1)["workers"].values())


def _dask_room(settings, threads: int) -> int:
    with clusters.dask(settings.scheduler) as client:
        workers = _dask_workers(client)
    cells = settings.cells_per_gpu
    on_gpus = sum(min(int(worker["resources"].get("GPU", 0) * cells), worker["nthreads"]) for worker in workers)
    return on_gpus or sum(worker["nthreads"] for worker in workers) // threads


def _on_dask(settings, threads: int, stage: Stage) -> int:
    """Run the stage as a task, which Dask starts anew elsewhere when its worker is lost."""
    with clusters.dask(settings.scheduler) as client:
        from distributed import KilledWorker

        key, ended = f"minimoe-{uuid4()}", Event()

        def heard(event: tuple) -> None:
            _, line = event
            if line is None:
                ended.set()
            else:
                _show(stage, line)

        client.subscribe_topic(key, heard)
        gpus = any("GPU" in worker["resources"] for worker in _dask_workers(client))
        resources = {"GPU": _share(settings)} if gpus else {}
        future = client.submit(there.as_dask_task, stage, key=key, resources=resources, pure=False)
        try:
            return future.result()
        except KilledWorker as error:
            raise LostError(" ".join(str(error).split())) from None
        except KeyboardInterrupt:
            future.cancel()
            ended.wait(END_SECONDS + LOOK_SECONDS)
            raise


def _ray_room(settings, threads: int) -> int:
    with clusters.ray(settings.scheduler) as ray:
        has = ray.cluster_resources()
    gpus, cores = int(has.get("GPU", 0)), int(has.get("CPU", 0))
    return min(gpus * settings.cells_per_gpu, cores) if gpus else cores // threads


def _on_ray(settings, threads: int, stage: Stage) -> int:
    """Run the stage as a task that yields its lines."""
    with clusters.ray(settings.scheduler) as ray:
        gpus = ray.cluster_resources().get("GPU", 0)
        room = {"num_gpus": _share(settings)} if gpus else {"num_cpus": threads}
        task = ray.remote(there.as_ray_task).options(max_retries=0, num_returns="streaming", **room)
        lines = task.remote(stage)
        try:
            for line in map(ray.get, lines):
                if isinstance(line, int):
                    return line
                _show(stage, line)
        except ray.exceptions.RayTaskError as error:
            raise error.cause from None
        except ray.exceptions.RayError as error:
            raise LostError(str(error).splitlines()[0]) from None
        except KeyboardInterrupt:
            ray.cancel(lines)
            ray.wait([lines.completed()], timeout=END_SECONDS + LOOK_SECONDS)
            raise
        raise LostError("it ended without a code")
