"""Connect to MLflow's server or database, and the few requests that trackers make."""

import json
import logging
import os
from pathlib import Path

from minimoe.system.errors import UserError
from minimoe.system.files import outside_workspaces
from minimoe.system.machine import importing

ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_SQLALCHEMYSTORE_POOLCLASS": "NullPool",  # a fork may not share an open sqlite file
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",  # training waits meanwhile; by default for minutes
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",  # seconds
}
DATABASE, HEADER = b"SQLite format 3\0", 100  # its first bytes; the size of its header


class UnreachableError(UserError):
    """The server or database exists, as far as can be seen, but does not answer now."""


def address(uri: str) -> str:
    """`runtime.tracking.uri` as MLflow wants it; a path becomes an absolute sqlite address.

    Absolute, and outside of DVC's temporary workspaces, where a database would be deleted with the workspace.
    """
    return uri if "://" in uri else f"sqlite:///{outside_workspaces() / uri}"


def connect(tracking) -> tuple:
    """MLflow's client and the experiment's id; a new database is set up by one process while others wait.

    Raises:
        UserError: it cannot be used. UnreachableError: it cannot be reached for now.
    """
    load()
    from filelock import FileLock
    from mlflow import MlflowClient

    uri = address(tracking.uri)
    try:
        if not uri.startswith("sqlite:///"):
            return _experiment(MlflowClient(uri), tracking.experiment, None)
        database = Path(uri.removeprefix("sqlite:///"))
        database.parent.mkdir(parents=True, exist_ok=True)
        _check_database(database)
        with FileLock(f"{database}.lock"):
            artifacts = (database.parent / "mlflow-artifacts").as_uri()
            return _experiment(MlflowClient(uri), tracking.experiment, artifacts)
    except Exception as error:  # MLflow's client can raise anything over what is not MLflow's
        kind = UserError if isinstance(error, OSError) else UnreachableError
        message = f"cannot use {uri}: {first_line(error)}; fix it or set enabled: false"
        raise kind(f"runtime.tracking.uri: {message}") from None


def load() -> None:
    """Import MLflow as all of this project uses it: quiet, and soon tired of a server that does not answer."""
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    with importing():
        import mlflow.store.tracking.sqlalchemy_store  # noqa: F401  the client would import it for a database
    for noisy in ("mlflow", "urllib3"):
        logging.getLogger(noisy).setLevel(logging.CRITICAL)  # their errors are raised as well
    logging.getLogger("alembic").setLevel(logging.WARNING)


def active(client, run_id: str) -> bool:
    """Whether there is such a run, not deleted."""
    from mlflow.exceptions import MlflowException
    from mlflow.protos.databricks_pb2 import RESOURCE_DOES_NOT_EXIST, ErrorCode

    try:
        return client.get_run(run_id).info.lifecycle_stage == "active"
    except MlflowException as error:
        if error.error_code != ErrorCode.Name(RESOURCE_DOES_NOT_EXIST):
            raise
        return False


def create(client, experiment: str, about: dict) -> str:
    """Make a run of a name, tags, params and data sets; returns its id."""
    from mlflow.entities import Param

    run_id = client.create_run(experiment, run_name=about["name"], tags=about["tags"]).info.run_id
    _expect(run_id, "run")
    client.log_batch(run_id, params=[Param(key, value) for key, value in sorted(about["params"].items())])
    if read := [_data_set(path, *known) for path, known in sorted(about.get("data", {}).items())]:
        client.log_inputs(run_id, read)
    return run_id


def _data_set(path: str, digest: str, context: str):
    """A data set that a run reads: named as its folder is, with DVC's hash as its digest."""
    from mlflow.entities import Dataset, DatasetInput, InputTag

    source = json.dumps({"uri": path})  # in the project's folder, wherever that is
    return DatasetInput(Dataset(Path(path).name, digest, "local", source), [InputTag("mlflow.data.context", context)])


def steps_known(client, run_id: str, key: str) -> set[int]:
    """The steps at which a run has a metric."""
    return {metric.step for metric in client.get_metric_history(run_id, key)}


def refused(error: Exception) -> bool:
    """Whether MLflow would refuse the same again."""
    return getattr(error, "error_code", "") in ("INVALID_PARAMETER_VALUE", "BAD_REQUEST")


def first_line(error: Exception) -> str:
    """What went wrong, in one line."""
    return next(iter(str(error).splitlines()), type(error).__name__)


def _experiment(client, name: str, artifacts: str | None) -> tuple:
    found = client.get_experiment_by_name(name)
    known = found.experiment_id if found else client.create_experiment(name, artifacts)
    _expect(known, "experiment")
    return client, known


def _expect(known: str, what: str) -> None:
    """The id of what was asked for; a server that is none of MLflow's may answer anything."""
    if not known:
        raise UnreachableError(f"runtime.tracking.uri: the answer names no {what}; expected an MLflow server")


def _check_database(path: Path) -> None:
    """`OSError` where something else is there, which MLflow would try to open for minutes."""
    if path.exists():
        with path.open("r+b") as file:
            head = file.read(HEADER)
        if head and not (head.startswith(DATABASE) and len(head) == HEADER):
            raise OSError("not an SQLite database, or a damaged one")
