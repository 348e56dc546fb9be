"""A run in MLflow around a block of work."""

import os
import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType

from minimoe.system.interrupts import terminated_as_interrupt
from minimoe.tracking import backlog, lineage, store
from minimoe.tracking.trackers import MlflowTracker, NoTracker

CONTEXTS = ("training", "evaluation")  # of data sets, as MLflow names them


@contextmanager
def run(
    tracking, name: str, tags: dict, params: dict, memory: Path | None = None,
    inputs: Mapping[str, str] = MappingProxyType({}), parent: NoTracker | None = None,
) -> Iterator[NoTracker]:  # fmt: skip
    """A run that ends as FINISHED, FAILED or KILLED, as its block does.

    Args:
        tracking: `runtime.tracking` of the params: enabled, uri, experiment.
        name: shown in the UI.
        tags: to group and filter by, such as stage, round, student, task.
        params: what the run was made with; nested sections are flattened to `section.key`.
        memory: a file for the run's id: where there is one already, that run is continued.
        inputs: what it reads, and as what, by path: a `model`, `settings`, or data for `training` or `evaluation`.
        parent: of the run that this one is shown below; where MLflow has not that yet, each is shown by itself.
    """
    if not tracking.enabled or int(os.environ.get("RANK", "0")) > 0:
        yield NoTracker()
        return
    for kept in backlog.left():
        if taken := kept.take():
            MlflowTracker(tracking, taken[0], kept=kept).send(taken[1])
    about = {"name": name, "tags": {key: str(value) for key, value in tags.items()}, "params": _flat(params)}
    _add_lineage(about, inputs)
    if parent and parent.run_id:
        about["tags"]["mlflow.parentRunId"] = parent.run_id
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


def _add_lineage(about: dict, inputs: Mapping[str, str]) -> None:
    """Add where the run comes from to its tags and data sets; nothing that is wrong with it ends the work."""
    try:
        store.load()
        found = lineage.hashes(inputs)
        about["tags"] = lineage.tags(found) | about["tags"]
        about["data"] = {path: (digest, inputs[path]) for path, digest in found.items() if inputs.get(path) in CONTEXTS}
    except Exception as error:  # MLflow's plugins can raise anything
        why = store.first_line(error)
        print(f"MLflow: run {about['name']} does not say where it comes from: {why}", file=sys.stderr)


def _flat(values: dict, prefix: str = "") -> dict[str, str]:
    flat = {}
    for key, value in values.items():
        flat |= _flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": str(value)}
    return flat
