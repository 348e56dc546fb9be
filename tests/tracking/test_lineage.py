"""From a run in MLflow back to the commit, the params and the data that it was made from."""

import hashlib
import json
import re
import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
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
    shrink(folder / "params.yaml", "minilm", {"layers": 1, "hidden": 24})
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
    first, _ = found["distill", "distill base/minilm"]
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
    tags = found["finetune", "base/minilm/wnli"][0].data.tags
    stage = lock(finished, "HEAD")[tags["dvc.stage"]]
    assert inputs(tags) == read(stage) and inputs(tags)["models/base/minilm"].endswith(".dir")
    (data,) = found["finetune", "base/minilm/wnli"][0].inputs.dataset_inputs
    assert (data.dataset.name, data.dataset.digest) == ("wnli", inputs(tags)["data/tasks/wnli"])


@pytest.mark.slow
def test_a_run_of_an_experiment_names_it(finished, found):
    _, second = found["distill", "distill base/minilm"]
    tags = second.data.tags
    assert tags["mlflow.source.git.commit"] == shown(finished, "rev-parse", "HEAD")  # that the experiment began with
    assert (tags["mlflow.source.git.dirty"], tags["dvc.experiment"]) == ("true", "slower")
    experiment = shown(finished, "for-each-ref", "--format=%(objectname)", "refs/exps/*/*/slower")
    params = yaml.safe_load(shown(finished, "show", f"{experiment}:params.yaml"))
    assert float(second.data.params["learning_rate"]) == params["distill"]["learning_rate"] == 0.001
    assert inputs(tags) == read(lock(finished, experiment)["distill@base"])
    assert inputs(tags) != read(lock(finished, "HEAD")["distill@base"])


@pytest.mark.slow
def test_the_students_of_a_round_are_below_it(found):
    for student, round_ in zip(found["distill", "distill base/minilm"], found["distill", "distill base"], strict=True):
        assert student.data.tags["mlflow.parentRunId"] == round_.info.run_id
        assert round_.info.status == student.info.status == "FINISHED"


@pytest.mark.slow
def test_an_alias_leads_to_a_model_and_to_the_run_that_trained_it(finished, found, monkeypatch):
    from mlflow.artifacts import download_artifacts
    from transformers import AutoModel, AutoTokenizer

    uri = tracking.address(load().runtime.tracking.uri)
    client, _ = tracking.connect(load().runtime.tracking)
    ((alias, number),) = client.get_registered_model("minimoe").aliases.items()
    assert re.fullmatch(r"best-at-\d+M-macs", alias)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    folder = download_artifacts(f"models:/minimoe@{alias}")
    assert Path(folder) == finished / "models/base/minilm"  # not a copy
    text = AutoTokenizer.from_pretrained(folder)("a sentence", return_tensors="pt")
    trained = AutoModel.from_pretrained("models/base/minilm")
    assert torch.equal(AutoModel.from_pretrained(folder)(**text)[0], trained(**text)[0])

    versions = {version.version: version for version in client.search_model_versions("name = 'minimoe'")}
    first, second = versions.pop(number), *versions.values()
    runs_ = [one.info.run_id for one in found["distill", "distill base/minilm"]]
    assert [first.run_id, second.run_id] == runs_[::-1]
    assert first.tags["dvc.experiment"] == "slower" and first.tags["score.of"] and float(first.tags["macs_16"]) > 0
    logged = [client.search_logged_models([one.info.experiment_id], f"source_run_id = '{one.info.run_id}'")
              for one in found["distill", "distill base/minilm"]]  # fmt: skip
    assert [len(models) for models in logged] == [1, 1]


@pytest.mark.slow
def test_a_version_that_a_later_run_has_replaced_comes_back_by_dvc(finished, found, tmp_path):
    client, _ = tracking.connect(load().runtime.tracking)
    old, new = sorted(client.search_model_versions("name = 'minimoe'"), key=lambda version: int(version.version))
    assert old.tags["dvc.hash"] != new.tags["dvc.hash"] == lineage.hashes(["models/base/minilm"])["models/base/minilm"]
    dvc(finished, "get", "-q", ".", old.tags["path"], "--rev", "HEAD", "--out", str(tmp_path / "old"))
    files = [
        {"md5": hashlib.md5(path.read_bytes()).hexdigest(), "relpath": path.name}
        for path in sorted((tmp_path / "old").iterdir())
    ]
    assert hashlib.md5(json.dumps(files, sort_keys=True).encode()).hexdigest() + ".dir" == old.tags["dvc.hash"]


@pytest.mark.slow
def test_a_report_that_is_made_again_registers_nothing_twice(finished, found):
    client, _ = tracking.connect(load().runtime.tracking)
    before = client.get_registered_model("minimoe").aliases
    client.set_registered_model_alias("minimoe", "best-at-1M-macs-once", 1)
    client.set_registered_model_alias("minimoe", "mine", 1)
    dvc(finished, "repro", "-q", "-f", "-s", "report")
    assert len(client.search_model_versions("name = 'minimoe'")) == 2
    assert client.get_registered_model("minimoe").aliases == before | {"mine": 1}


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


@pytest.mark.slow
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


@pytest.mark.slow
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
    return SimpleNamespace(enabled=True, uri=uri, experiment="tests", system_metrics=False)
