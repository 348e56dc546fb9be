"""Students in MLflow's model registry: one registered model, whose versions are the students of all runs.

A version is a folder of DVC's: its path and hash, the commit, and the run that made it. Weights are not copied, because
DVC keeps every state of the folder already, and twice the disk buys nothing: `dvc get . PATH --rev COMMIT` brings back
what a later run has replaced. A version is made once for each hash; what is said of it follows the newest report.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from minimoe.tracking import lineage

KEPT = {"mlflow.source.git.commit", "mlflow.source.git.dirty", "dvc.experiment"}  # of the report's tags
BEST = "best-at-"  # what the aliases that follow a report begin with
RUNS = 50  # of a student, the newest, in which the one that made it is looked for


class Registered(NamedTuple):
    """A student to be registered."""

    name: str  # round/student
    inputs: tuple[str, ...]  # paths of what its round reads
    about: Mapping[str, str]  # its score, multiply-adds and the like, as tags


def register(client, experiment: str, name: str, students: list[Registered], aliases: Mapping[str, str], tags: dict):
    """Make a version of each student whose folder has none yet, and point the aliases.

    Args:
        experiment: the id of that in which their runs are.
        name: of the registered model.
        aliases: the student that each names; others that begin as these do are removed.
        tags: of the run that the numbers are of.
    """
    if not client.search_registered_models(f"name = '{name}'"):
        client.create_registered_model(name)
    known = {
        (version.tags.get("model"), version.tags.get("dvc.hash")): version
        for version in client.search_model_versions(f"name = '{name}'")
    }
    versions = {}
    for student in students:
        path = f"models/{student.name}"
        digest = next(iter(lineage.hashes([path]).values()), "")
        about = {"model": student.name, "path": path, "dvc.hash": digest, **student.about}
        version = known.get((student.name, digest))
        if version is None:
            version = _version(client, experiment, name, student, about | {k: v for k, v in tags.items() if k in KEPT})
        for key in about.keys() - {k for k, v in version.tags.items() if about.get(k) == v}:
            client.set_model_version_tag(name, version.version, key, about[key])
        versions[student.name] = version.version
    pointed = client.get_registered_model(name).aliases
    for alias in sorted(pointed.keys() - aliases.keys()):
        if alias.startswith(BEST):
            client.delete_registered_model_alias(name, alias)
    for alias, student in aliases.items():
        if str(pointed.get(alias)) != str(versions[student]):
            client.set_registered_model_alias(name, alias, versions[student])


def model_name(experiment: str) -> str:
    """The registered model's name: the experiment's, of letters that MLflow takes."""
    return re.sub(r"[^\w. -]", "-", experiment)


def _version(client, experiment: str, name: str, student: Registered, tags: dict):
    """A version, and where the student's run is known, its logged model, which that run's page shows."""
    run = _run(client, experiment, student)
    logged = None
    if run:
        plain = re.sub(r"[^\w-]", "-", student.name)
        logged = client.create_logged_model(experiment, plain, source_run_id=run, tags=tags).model_id
        client.finalize_logged_model(logged, "READY")
    return client.create_model_version(name, _source(client, tags["path"]), run, tags, model_id=logged)


def _source(client, path: str) -> str:
    """The folder; a server takes no path on another machine, so there it is the path in the project."""
    return f"dvc:/{path}" if client.tracking_uri.startswith("http") else Path(path).resolve().as_uri()


def _run(client, experiment: str, student: Registered) -> str | None:
    """The newest finished run that trained the student from the inputs that it has now."""
    asked = f"tags.stage = 'distill' and tags.model = '{student.name}' and attributes.status = 'FINISHED'"
    read = lineage.input_tags(lineage.hashes(student.inputs))
    for run in client.search_runs([experiment], asked, max_results=RUNS, order_by=["attributes.start_time DESC"]):
        if {key: value for key, value in run.data.tags.items() if key.startswith(lineage.INPUT)} == read:
            return run.info.run_id
    return None
