"""Tracking: runs in MLflow, or nothing. Training code never asks which.

MLflow owns curves and comparison; final numbers live in the files that stages write. Metrics are sent in batches,
because a request each would cost more than a small model's step.
"""

import logging
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from minimoe.errors import UserError
from minimoe.interrupts import terminated_as_interrupt
from minimoe.runtime import importing

BATCH = 200  # metrics sent at once; MLflow takes at most 1000
FLUSH_SECONDS = 10.0  # and no later than this, so that the UI is alive


class NoTracker:
    """Tracking that is off."""

    def metrics(self, values: dict[str, float], step: int = 0) -> None:
        """Forget the values."""

    def artifact(self, path: str | Path) -> None:
        """Forget the file or folder."""

    def flush(self) -> None:
        """Nothing is waiting."""


class MlflowTracker:
    """One MLflow run."""

    def __init__(self, client, run_id: str):
        self._client, self.run_id = client, run_id
        self._waiting: list = []
        self._sent = time.monotonic()

    def metrics(self, values: dict[str, float], step: int = 0) -> None:
        """Record values at a step; they are sent in batches."""
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        self._waiting += [Metric(key, float(value), now, step) for key, value in values.items()]
        if len(self._waiting) >= BATCH or time.monotonic() - self._sent > FLUSH_SECONDS:
            self.flush()

    def artifact(self, path: str | Path) -> None:
        """Store a file, or the contents of a folder."""
        path = Path(path)
        (self._client.log_artifacts if path.is_dir() else self._client.log_artifact)(self.run_id, str(path))

    def flush(self) -> None:
        """Send what is waiting."""
        for start in range(0, len(self._waiting), BATCH):
            self._client.log_batch(self.run_id, metrics=self._waiting[start : start + BATCH])
        self._waiting, self._sent = [], time.monotonic()


@contextmanager
def run(tracking, name: str, tags: dict, params: dict) -> Iterator[NoTracker | MlflowTracker]:
    """A run that ends as FINISHED, FAILED or KILLED, as its block does.

    Args:
        tracking: `runtime.tracking` of the params: enabled, uri, experiment.
        name: shown in the UI.
        tags: to group and filter by, such as stage, round, student, task.
        params: what the run was made with; nested sections are flattened to `section.key`.
    """
    if not tracking.enabled or int(os.environ.get("RANK", "0")) > 0:
        yield NoTracker()
        return
    client, experiment = connect(tracking)
    started = client.create_run(experiment, run_name=name, tags={k: str(v) for k, v in tags.items()})
    tracker = MlflowTracker(client, started.info.run_id)
    client.log_batch(tracker.run_id, params=_params(params))
    status = "FAILED"
    with terminated_as_interrupt():
        try:
            yield tracker
            status = "FINISHED"
        except KeyboardInterrupt:
            status = "KILLED"
            raise
        finally:
            tracker.flush()
            client.set_terminated(tracker.run_id, status)


def address(uri: str) -> str:
    """`runtime.tracking.uri` as MLflow wants it; a path becomes an absolute sqlite address.

    Absolute, and outside of DVC's temporary workspaces, where a database would be deleted with the workspace.
    """
    if "://" in uri:
        return uri
    root = Path.cwd()
    if ".dvc" in root.parts:  # dvc exp run --temp: <repository>/.dvc/tmp/exps/…
        root = Path(*root.parts[: root.parts.index(".dvc")])
    return f"sqlite:///{root / uri}"


def connect(tracking) -> tuple:
    """MLflow's client and the experiment's id; a new database is set up by one process while others wait."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_SQLALCHEMYSTORE_POOLCLASS", "NullPool")  # a fork may not share an open sqlite file
    with importing():
        import mlflow.store.tracking.sqlalchemy_store  # noqa: F401  the client would import it for a database
        from filelock import FileLock
        from mlflow import MlflowClient
        from mlflow.exceptions import MlflowException
    for noisy in ("mlflow", "alembic"):
        logging.getLogger(noisy).setLevel(logging.WARNING)

    uri = address(tracking.uri)
    try:
        if not uri.startswith("sqlite:///"):
            return _experiment(MlflowClient(uri), tracking.experiment, None)
        database = Path(uri.removeprefix("sqlite:///"))
        database.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{database}.lock"):
            artifacts = (database.parent / "mlflow-artifacts").as_uri()
            return _experiment(MlflowClient(uri), tracking.experiment, artifacts)
    except (MlflowException, OSError) as error:
        reason = " ".join(str(error).split())
        raise UserError(f"runtime.tracking.uri: cannot use {uri}: {reason}; mend it or set enabled: false") from None


def _experiment(client, name: str, artifacts: str | None) -> tuple:
    found = client.get_experiment_by_name(name)
    return client, found.experiment_id if found else client.create_experiment(name, artifacts)


def _params(params: dict) -> list:
    from mlflow.entities import Param

    return [Param(key, str(value)) for key, value in sorted(_flat(params).items())]


def _flat(values: dict, prefix: str = "") -> dict:
    flat = {}
    for key, value in values.items():
        flat |= _flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return flat
