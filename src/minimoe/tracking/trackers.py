"""Where measured values go: one MLflow run, or nowhere.

Metrics are sent in batches, because a request each would cost more than a small model's step. Whatever is wrong with
MLflow, the work goes on: what it cannot take waits in a local file (`backlog`).
"""

import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from minimoe.system.errors import UserError
from minimoe.system.files import whole_file
from minimoe.tracking import backlog, registry
from minimoe.tracking.backlog import Backlog, Point
from minimoe.tracking.machine_metrics import MachineMetrics
from minimoe.tracking.registry import Registered
from minimoe.tracking.store import UnreachableError, active, connect, create, first_line, refused, steps_known

BATCH = 200  # metrics sent at once; MLflow takes at most 1000
FLUSH_SECONDS = 10.0  # and no later than this, so that the UI is alive
RETRY_SECONDS = 120.0  # between two attempts when MLflow cannot be reached; one can take 20 seconds


class NoTracker:
    """Tracking that is off."""

    run_id: str | None = None

    def metrics(self, values: dict[str, float], step: int = 0) -> None:
        """Ignore the values."""

    def artifact(self, path: str | Path) -> None:
        """Ignore the file or folder."""

    def register(self, students: list[Registered], aliases: Mapping[str, str]) -> None:
        """Ignore the students."""

    def flush(self) -> None:
        """Nothing is waiting."""


class MlflowTracker(NoTracker):
    """One MLflow run, made or continued when it is first reached.

    Args:
        settings: `runtime.tracking` of the params.
        about: name, tags and params of the run; its run_id where it is continued.
        memory: a file that keeps the run's id, for whoever continues it.
        kept: what another process left of the run.
    """

    retry_at = 0.0  # of all trackers of the process: they have one server

    def __init__(self, settings, about: dict, memory: Path | None = None, kept: Backlog | None = None) -> None:
        self._settings, self._about, self._memory = settings, about, memory
        self._backlog, self._left = kept or Backlog(), bool(kept)
        self._client = None
        self._machine: MachineMetrics | None = None
        self._waiting: list[Point] = []
        self._sent = time.monotonic()
        self._known: dict[str, set[int]] | None = None  # steps that a continued run has, by key

    @property
    def run_id(self) -> str | None:
        """MLflow's id of the run, once it is made."""
        return self._about.get("run_id")

    def metrics(self, values: dict[str, float], step: int = 0) -> None:
        """Record values at a step."""
        now = int(time.time() * 1000)
        if self._settings.system_metrics:
            self._machine = self._machine or MachineMetrics()
            values = values | self._machine.sample()
        self._waiting += [(key, float(value), now, step) for key, value in values.items()]
        if len(self._waiting) >= BATCH or time.monotonic() - self._sent > FLUSH_SECONDS:
            self.flush()

    def artifact(self, path: str | Path) -> None:
        """Store a file, or the contents of a folder."""
        path = Path(path)

        def store():
            (self._client.log_artifacts if path.is_dir() else self._client.log_artifact)(self.run_id, str(path))

        if not self._try(store):
            print(f"MLflow: {path} was not stored in run {self._about['name']}; it lies here", file=sys.stderr)

    def register(self, students: list[Registered], aliases: Mapping[str, str]) -> None:
        """Bring the model registry up to date, as `registry.register` says."""
        name = registry.model_name(self._settings.experiment)

        def bring():
            try:
                registry.register(self._client, self._experiment, name, students, aliases, self._about["tags"])
            except Exception as error:
                if not refused(error):
                    raise
                print(f"MLflow: the registry refuses the students: {first_line(error)}", file=sys.stderr)

        if not self._try(bring):
            print("MLflow: the students were not registered; dvc repro -f report does so", file=sys.stderr)

    def flush(self) -> None:
        """Send what is waiting, or keep it in a file."""
        self._try(self._send)
        self._sent = time.monotonic()

    def end(self, status: str) -> None:
        """Send what is waiting, and close the run as FINISHED, FAILED or KILLED."""
        self._about["status"] = status
        self.flush()
        if not self._client:
            kept = self._backlog.path.exists()
            where = f"wait in {self._backlog.path}; the next run of any stage sends them" if kept else "are lost"
            print(f"MLflow: {len(self._waiting)} values of run {self._about['name']} {where}", file=sys.stderr)
        self._backlog.release()

    def open(self) -> None:
        """Make or continue the run; `UserError` where MLflow cannot be used, not where it cannot be reached now."""
        try:
            if time.monotonic() >= MlflowTracker.retry_at:
                self._reach()
        except Exception as error:  # MLflow's client can raise anything over a foreign answer
            if isinstance(error, UserError) and not isinstance(error, UnreachableError):
                raise
            self._trouble(error)

    def send(self, points: list[Point]) -> None:
        """Send points that were measured before, and close the run if it was closed."""
        self._waiting = points
        self.flush()

    def _reach(self) -> None:
        """Make or continue the run, if that has not happened."""
        if self._client:
            return
        client, experiment = connect(self._settings)
        self._experiment = experiment
        if self.run_id and active(client, self.run_id):
            if self._memory:  # it goes on, while what another process left is only added
                client.update_run(self.run_id, status="RUNNING")
            self._known = {}
        else:
            if self.run_id:
                print(f"MLflow: run {self._about['name']} is gone; a new one holds what follows", file=sys.stderr)
            self._about["run_id"] = create(client, experiment, self._about)
        if self._memory:
            with whole_file(self._memory) as temporary:
                temporary.write_text(self.run_id)
        self._client = client

    def _send(self) -> None:
        from mlflow.entities import Metric

        while some := self._waiting[:BATCH]:
            new = [point for point in some if not self._has(point)]
            self._client.log_batch(self.run_id, metrics=[Metric(*point) for point in new])
            del self._waiting[:BATCH]
        if status := self._about.get("status"):
            self._client.set_terminated(self.run_id, status)
        self._backlog.remove()

    def _has(self, point: Point) -> bool:
        """Whether a continued run has a point of this key and step."""
        if self._known is None:
            return False
        if point[0] not in self._known:
            self._known[point[0]] = steps_known(self._client, self.run_id, point[0])
        return point[3] in self._known[point[0]]

    def _try(self, work: Callable[[], None]) -> bool:
        """Whether MLflow did what `work` asks of it; if not, what is waiting is kept in a file."""
        if time.monotonic() >= MlflowTracker.retry_at:
            try:
                self._reach()
                work()
                MlflowTracker.retry_at = 0.0
                return True
            except Exception as error:
                if self._left and refused(error):
                    self._backlog.put_aside(f"MLflow refuses it ({first_line(error)})")
                    return False
                self._trouble(error)
        if self._waiting or "status" in self._about:
            with suppress(OSError):  # then they wait in memory
                self._backlog.keep(dict(self._about), self._waiting)
        return False

    def _trouble(self, error: Exception) -> None:
        if not MlflowTracker.retry_at:
            print(f"MLflow: {first_line(error)}; work goes on, values wait in {backlog.folder()}", file=sys.stderr)
        MlflowTracker.retry_at = time.monotonic() + RETRY_SECONDS
        self._client = None  # so that the run is looked for again
