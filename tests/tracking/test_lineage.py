"""From a run in MLflow back to the commit, the params and the data that it was made from."""

import json
import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml
from pipeline.repository import dvc, git, python, shrink
from tracking.runs import run, runs

from minimoe import tracking
from minimoe.params import load
from minimoe.tracking import lineage


def shown(folder: Path, *arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=folder, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Path:
    """A project whose pipeline has run, once as it is committed, and once more as an experiment of DVC."""
    folder = tmp_path_factory.mktemp("project")
    git(folder, "init", "-q", "-b", "main")
    git(folder, "config", "user.name", "tests")
    git(folder, "config", "user.email", "tests@example.org")
    python(folder, "minimoe", "init")
    shrink(folder / "params.yaml")
    git(folder, "add", "--all")
    git(folder, "commit", "-qm", "The question")
    dvc(folder, "repro")
    git(folder, "add", "dvc.lock")
    git(folder, "commit", "-qm", "The answer")
    dvc(folder, "exp", "run", "-q", "-n", "slower", "-S", "distill.learning_rate=0.001")
    return folder


@pytest.fixture
def found(finished, monkeypatch):
    """All runs, by their stage and name, the newest last."""
    monkeypatch.chdir(finished)
    client, experiment = tracking.connect(load().runtime.tracking)
    by_name = {}
    for one in reversed(client.search_runs([experiment], order_by=["start_time DESC"])):
        by_name.setdefault((one.data.tags["stage"], one.info.run_name), []).append(one)
    return by_name


def lock(folder: Path, revision: str) -> dict:
    return yaml.safe_load(shown(folder, "show", f"{revision}:dvc.lock"))["stages"]


def inputs(tags: dict) -> dict:
    return {key.removeprefix("dvc.input."): value for key, value in tags.items() if key.startswith("dvc.input.")}


def read(stage: dict) -> dict:
    return {dep["path"]: dep["md5"] for dep in stage["deps"] if not dep["path"].startswith(("src/", "stages/"))}


@pytest.mark.slow
def test_a_run_leads_to_its_commit_params_and_data(finished, found):
    first, _ = found["distill", "distill base/minimoe"]
    tags = first.data.tags
    question, answer = shown(finished, "rev-parse", "HEAD~1"), shown(finished, "rev-parse", "HEAD")
    assert (tags["mlflow.source.git.commit"], tags["mlflow.source.git.dirty"]) == (question, "false")
    assert tags["mlflow.source.name"].endswith("stages/distill.py") and tags["mlflow.user"] != "unknown"
    assert tags["dvc.stage"] == "distill@base" and "dvc.experiment" not in tags
    params = yaml.safe_load(shown(finished, "show", f"{question}:params.yaml"))
    assert float(first.data.params["learning_rate"]) == params["distill"]["learning_rate"]
    assert inputs(tags) == read(lock(finished, answer)["distill@base"])
    (data,) = first.inputs.dataset_inputs
    assert (data.dataset.name, data.dataset.digest) == ("records", inputs(tags)["data/records"])
    assert json.loads(data.dataset.source) == {"uri": "data/records"} and data.tags[0].value == "training"


@pytest.mark.slow
def test_a_run_of_a_cell_has_the_hashes_of_parts_of_outputs(finished, found):
    tags = found["finetune", "base/minimoe/wnli"][0].data.tags
    stage = lock(finished, "HEAD")[tags["dvc.stage"]]
    assert inputs(tags) == read(stage) and inputs(tags)["models/base/minimoe"].endswith(".dir")
    (data,) = found["finetune", "base/minimoe/wnli"][0].inputs.dataset_inputs
    assert (data.dataset.name, data.dataset.digest) == ("wnli", inputs(tags)["data/tasks/wnli"])


@pytest.mark.slow
def test_a_run_of_an_experiment_names_it(finished, found):
    _, second = found["distill", "distill base/minimoe"]
    tags = second.data.tags
    assert tags["mlflow.source.git.commit"] == shown(finished, "rev-parse", "HEAD")  # that the experiment began with
    assert (tags["mlflow.source.git.dirty"], tags["dvc.experiment"]) == ("true", "slower")
    experiment = shown(finished, "for-each-ref", "--format=%(objectname)", "refs/exps/*/*/slower")
    params = yaml.safe_load(shown(finished, "show", f"{experiment}:params.yaml"))
    assert float(second.data.params["learning_rate"]) == params["distill"]["learning_rate"] == 0.001
    assert inputs(tags) == read(lock(finished, experiment)["distill@base"])
    assert inputs(tags) != read(lock(finished, "HEAD")["distill@base"])


@pytest.mark.parametrize("text", ["", "stages:\n", "\x00", "schema: '2.0'\nstages:\n  a:\n    outs:\n    - path: m"])
def test_of_a_lock_file_that_is_none_nothing_is_known(tmp_path, monkeypatch, text):
    monkeypatch.chdir(tmp_path)
    Path("dvc.lock").write_text(text)
    Path("m").mkdir()
    assert lineage.hashes(["m", "nowhere"]) == {}


def test_without_dvcs_cache_a_part_goes_by_the_output_that_it_is_in(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    digest = f"{'a' * 32}.dir"
    Path("dvc.lock").write_text(
        f"schema: '2.0'\nstages:\n  a:\n    cmd: x\n    outs:\n    - path: m\n      hash: md5\n      md5: {digest}\n"
    )
    Path("m/part").mkdir(parents=True)
    assert lineage.hashes(["m/part"]) == {"m": digest}


@pytest.mark.usefixtures("folder")
def test_a_run_that_cannot_say_where_it_comes_from_is_a_run(monkeypatch, capsys):
    def broken(*_):
        raise RuntimeError("a plugin of MLflow's\nis broken")

    monkeypatch.setattr(lineage, "tags", broken)
    with run() as tracker:
        tracker.metrics({"loss": 4.0}, 1)
    assert runs() == [("FINISHED", [(1, 4.0)])]
    (line,) = capsys.readouterr().err.splitlines()
    assert line == "MLflow: run base/minilm does not say where it comes from: a plugin of MLflow's"


@pytest.mark.usefixtures("folder")
def test_data_sets_reach_a_server_that_was_away(monkeypatch):
    Path("dvc.lock").write_text(
        "schema: '2.0'\nstages:\n  a:\n    outs:\n    - path: data/records\n      hash: md5\n      md5: 0123\n"
    )
    with tracking.run(settings_of("http://127.0.0.1:1"), "a", {}, {}, inputs={"data/records": "training"}):
        pass
    with run():
        pass
    client, experiment = tracking.connect(settings_of("work/mlflow.db"))
    (late,) = client.search_runs([experiment], "attributes.run_name = 'a'")
    (data,) = late.inputs.dataset_inputs
    assert (data.dataset.name, data.dataset.digest, data.tags[0].value) == ("records", "0123", "training")


def settings_of(uri):
    return SimpleNamespace(enabled=True, uri=uri, experiment="tests")
