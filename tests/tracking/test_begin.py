"""MLflow trouble when a run begins: the work begins all the same."""

import pytest
from tracking.runs import run, runs

from minimoe.tracking import backlog, store

pytestmark = pytest.mark.usefixtures("folder")


def refuse(*_args, **_kwargs):
    from mlflow.exceptions import MlflowException

    raise MlflowException("(sqlite3.OperationalError) database or disk is full")


@pytest.mark.slow
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


@pytest.mark.slow
def test_a_database_that_is_locked_keeps_no_work_from_starting(monkeypatch, capsys):
    def locked(*_arguments):
        from sqlalchemy.exc import OperationalError

        raise OperationalError("SELECT", {}, Exception("database is locked"))

    monkeypatch.setattr(store, "_experiment", locked)
    with run() as tracker:
        tracker.metrics({"loss": 4.0}, 1)
    assert "database is locked" in capsys.readouterr().err
    assert list(backlog.folder().glob("*.jsonl"))


@pytest.mark.slow
def test_a_damaged_note_of_the_run_makes_a_new_one(folder):
    memory = folder / "run"
    memory.write_bytes(b"\xb7\x00 not an id")
    with run(memory=memory) as tracker:
        tracker.metrics({"loss": 4.0}, 1)
    assert runs() == [("FINISHED", [(1, 4.0)])]
