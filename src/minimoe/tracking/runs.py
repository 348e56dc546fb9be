"""A run in MLflow around a block of work."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from minimoe.system.interrupts import terminated_as_interrupt
from minimoe.tracking import backlog
from minimoe.tracking.trackers import MlflowTracker, NoTracker


@contextmanager
def run(tracking, name: str, tags: dict, params: dict, memory: Path | None = None) -> Iterator[NoTracker]:
    """A run that ends as FINISHED, FAILED or KILLED, as its block does.

    Args:
        tracking: `runtime.tracking` of the params: enabled, uri, experiment.
        name: shown in the UI.
        tags: to group and filter by, such as stage, round, student, task.
        params: what the run was made with; nested sections are flattened to `section.key`.
        memory: a file for the run's id: where there is one already, that run is continued.
    """
    if not tracking.enabled or int(os.environ.get("RANK", "0")) > 0:
        yield NoTracker()
        return
    for kept in backlog.left():
        if taken := kept.take():
            MlflowTracker(tracking, taken[0], kept=kept).send(taken[1])
    about = {"name": name, "tags": {key: str(value) for key, value in tags.items()}, "params": _flat(params)}
    known = memory.read_text(encoding="ascii", errors="replace") if memory and memory.exists() else ""
    if re.search(backlog.RUN_ID, known):
        about["run_id"] = known
    tracker = MlflowTracker(tracking, about, memory)
    tracker.open()
    status = "FAILED"
    with terminated_as_interrupt():
        try:
            yield tracker
            status = "FINISHED"
        except KeyboardInterrupt:
            status = "KILLED"
            raise
        finally:
            tracker.end(status)


def _flat(values: dict, prefix: str = "") -> dict[str, str]:
    flat = {}
    for key, value in values.items():
        flat |= _flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": str(value)}
    return flat
