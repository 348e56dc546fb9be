"""Run a function on many items in parallel; results come in the order of the items, for any number of workers.

The workers are joblib's processes, or those of a Dask or Ray cluster whose machines have the project installed and see
its folder under the same path: workers read the text themselves, so items and results are small.

joblib starts the next task as soon as one is done, whether or not its result was consumed, so behind a slow disk the
results of a whole corpus would pile up in memory. Here items go in rounds; the next round starts when all results of
the last are consumed. A round is long enough that little time is lost while workers wait for its end.
"""

import os
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial
from itertools import islice
from pathlib import Path
from threading import Thread

from joblib import Parallel, delayed, effective_n_jobs, parallel_config
from joblib.externals.loky.process_executor import TerminatedWorkerError
from joblib.parallel import get_active_backend

from minimoe.system import clusters
from minimoe.system.errors import UserError

ROUND = 16  # items a worker
LOOK_SECONDS = 0.5  # between two looks at who is alive
_ELSEWHERE = ContextVar("whether a cluster does the work", default=False)


def in_order(function: Callable, items: Iterable, workers: int) -> Iterator:
    """What `function` returns for every item, in their order, worked out by `workers` processes or a `cluster`'s.

    Raises `UserError` when one of them is killed, as the system does where memory runs out.
    """
    items, options = iter(items), {"initializer": _end_with, "initargs": (os.getpid(),)}
    if _ELSEWHERE.get():
        function, workers, options = partial(_there, Path.cwd(), function), -1, {}  # all that it has
    # joblib's backend for Ray cannot return a generator
    kind = "generator" if get_active_backend()[0].supports_return_generator else "list"
    try:
        # items are large: joblib would join those that take less than a fifth of a second, and leave workers idle
        with Parallel(n_jobs=workers, return_as=kind, batch_size=1, **options) as parallel:
            while some := list(islice(items, ROUND * effective_n_jobs(workers))):
                yield from parallel(delayed(function)(item) for item in some)
    except TerminatedWorkerError:
        raise UserError(
            "runtime.workers: a worker process was killed, as happens when memory runs out; run again, "
            f"with fewer than {workers} workers if it happens again"
        ) from None


@contextmanager
def cluster(backend: str, scheduler: str) -> Iterator[None]:
    """Within the block `in_order` has its work done by a cluster, unless the backend is loky, joblib's own processes.

    Args:
        backend: loky, dask or ray.
        scheduler: where the cluster is: Dask's `tcp://host:8786`, Ray's `host:6379`.

    Raises:
        UserError: the backend is not installed, or there is no cluster or no worker.
    """
    if backend == "loky":
        yield
        return
    with {"dask": _dask, "ray": _ray}[backend](scheduler) as options, parallel_config(backend, **options):
        token = _ELSEWHERE.set(True)
        try:
            yield
        finally:
            _ELSEWHERE.reset(token)


@contextmanager
def _dask(scheduler: str) -> Iterator[dict]:
    with clusters.dask(scheduler) as client:
        yield {"client": client}


@contextmanager
def _ray(scheduler: str) -> Iterator[dict]:
    with clusters.ray(scheduler):
        from ray.util.joblib import register_ray

        register_ray()
        yield {}


def _end_with(stage: int) -> None:
    """Start a thread that ends this worker when its stage was killed; joblib's workers would wait for minutes."""

    def watch() -> None:
        while os.getppid() == stage:
            time.sleep(LOOK_SECONDS)
        os._exit(1)

    Thread(target=watch, daemon=True).start()


def _there(folder: Path, function: Callable, item: object) -> object:
    """Call `function` on the item in `folder`, on a machine of the cluster."""
    try:
        os.chdir(folder)
    except OSError as error:
        raise clusters.no_folder(folder, error.strerror) from None
    return function(item)
