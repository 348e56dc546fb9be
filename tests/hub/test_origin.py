"""The hub's commit stands among a stage's outputs and in MLflow, and not in what other stages depend on."""

import json
from types import SimpleNamespace

import pytest

from minimoe import tracking
from minimoe.hub.origin import record

READ = {"teacher": {"hub": "some/model", "revision": "main", "commit": "c0ffee"}}


def settings(folder, enabled=True):
    return SimpleNamespace(enabled=enabled, uri=str(folder / "mlflow.db"), experiment="minimoe", system_metrics=False)


@pytest.mark.slow
def test_the_commit_is_in_a_file_and_in_mlflow(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    record("teacher", "teacher", READ, settings(tmp_path))
    assert json.loads((tmp_path / "data/origin/teacher.json").read_text()) == READ
    client, experiment = tracking.connect(settings(tmp_path))
    (run,) = client.search_runs([experiment])
    assert run.data.params["teacher.commit"] == "c0ffee" and run.data.tags["stage"] == "teacher"
    assert run.info.status == "FINISHED"


def test_without_tracking_or_hub_there_is_the_file_alone(tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    record("teachers/large", "teachers", READ, settings(tmp_path, enabled=False))
    record("tasks", "tasks", {}, settings(tmp_path))
    assert json.loads((tmp_path / "data/origin/teachers/large.json").read_text()) == READ
    assert json.loads((tmp_path / "data/origin/tasks.json").read_text()) == {}
    assert not (tmp_path / "mlflow.db").exists()
    assert capfd.readouterr() == ("", "")
