"""Connect to a Dask or Ray cluster; its machines have the project installed, and its folder under the same path."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from minimoe.system.errors import UserError

WAIT_SECONDS = 30  # for a cluster's scheduler and its first worker


@contextmanager
def dask(scheduler: str) -> Iterator:
    """A client of the Dask cluster at `scheduler`, such as tcp://host:8786; `UserError` without a worker there."""
    try:
        from distributed import Client
    except ImportError:
        raise _missing("dask") from None
    try:
        client = Client(scheduler, timeout=WAIT_SECONDS)
    except (OSError, ValueError) as error:
        raise _unreachable("Dask", scheduler, error) from None
    with client:
        try:
            client.wait_for_workers(1, timeout=WAIT_SECONDS)
        except OSError as error:
            raise _unreachable("Dask", scheduler, error) from None
        yield client


@contextmanager
def ray(scheduler: str) -> Iterator:
    """The module of Ray, connected to the cluster at `scheduler`, such as host:6379; `UserError` if there is none."""
    try:
        import ray
    except ImportError:
        raise _missing("ray") from None
    try:
        ray.init(address=scheduler, logging_level="warning", log_to_driver=False)
    except (OSError, ValueError) as error:
        raise _unreachable("Ray", scheduler, error) from None
    try:
        yield ray
    finally:
        ray.shutdown()


def no_folder(folder: Path, reason: str) -> UserError:
    """The error of a machine of the cluster that does not see the project's folder."""
    return UserError(
        f"{folder}: {reason} on {socket.gethostname()}, a machine of the cluster; "
        "put the project on a filesystem that all of its machines have under this path"
    )


def _missing(backend: str) -> UserError:
    return UserError(f"runtime.backend: {backend} is not installed; pip install 'minimoe[{backend}]', or set loky")


def _unreachable(kind: str, scheduler: str, error: Exception) -> UserError:
    reason = " ".join(str(error).split())
    return UserError(f"runtime.scheduler: no {kind} cluster with a worker at {scheduler!r}: {reason}")
