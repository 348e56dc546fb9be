"""MLflow trouble when a run begins: the work begins all the same."""

from types import SimpleNamespace

import pytest

from minimoe import tracking
from minimoe.tracking import backlog, store, trackers

URI = "work/mlflow.db"


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """A folder of its own, and no waiting between two attempts."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(trackers, "RETRY_SECONDS", 0.0)
    monkeypatch.setattr(trackers.MlflowTracker, "retry_at", 0.0)
    return tmp_path


def run(memory=None):
    settings = SimpleNamespace(enabled=True, uri=URI, experiment="tests")
    return tracking.run(settings, "base/minilm", {"stage": "distill"}, {"layers": 2}, memory)


def runs():
    client, experiment = tracking.connect(SimpleNamespace(uri=URI, experiment="tests"))
    return [
        (one.info.status, [(m.step, m.value) for m in client.get_metric_history(one.info.run_id, "loss")])
        for one in client.search_runs([experiment])
    ]


def refuse(*_args, **_kwargs):
    from mlflow.exceptions import MlflowException

    raise MlflowException("(sqlite3.OperationalError) database or disk is full")


def test_a_run_that_cannot_be_made_now_is_made_later(monkeypatch):
    with run() as tracker:
        pass  # the database is there
    with monkeypatch.context() as fault:
        fault.setattr("mlflow.MlflowClient.create_run", refuse)
        with run() as tracker:
            tracker.metrics({"loss": 4.0}, 1)
    with run():
        pass
    assert ("FINISHED", [(1, 4.0)]) in runs()


def test_a_database_that_is_locked_keeps_no_work_from_starting(monkeypatch, capsys):
    def locked(*_arguments):
        from sqlalchemy.exc import OperationalError

        raise OperationalError("SELECT", {}, Exception("database is locked"))

    monkeypatch.setattr(store, "_experiment", locked)
    with run() as tracker:
        tracker.metrics({"loss": 4.0}, 1)
    assert "database is locked" in capsys.readouterr().err
    assert list(backlog.folder().glob("*.jsonl"))


def test_a_damaged_note_of_the_run_makes_a_new_one(folder):
    memory = folder / "run"
    memory.write_bytes(b"\xb7\x00 not an id")
    with run(memory=memory) as tracker:
        tracker.metrics({"loss": 4.0}, 1)
    assert runs() == [("FINISHED", [(1, 4.0)])]
