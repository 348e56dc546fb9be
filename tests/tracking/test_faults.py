"""Work goes on whatever is wrong with MLflow; what was measured reaches it later, once, or its loss is told."""

import sqlite3
from pathlib import Path
from types import SimpleNamespace

import pytest
from tracking.runs import URI, run, runs

from minimoe import tracking
from minimoe.tracking import backlog, store, trackers

pytestmark = pytest.mark.usefixtures("folder")


def break_(monkeypatch, *names):
    """MLflow refuses these calls until the patch is undone."""
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException

    def refuse(*_args, **_kwargs):
        raise MlflowException("(sqlite3.OperationalError) database is locked\n[SQL: SELECT …]")

    for name in names:
        monkeypatch.setattr(MlflowClient, name, refuse)


def waiting():
    return sorted(path for path in backlog.folder().glob("*.jsonl"))


@pytest.mark.slow
def test_a_fault_that_passes_loses_nothing(monkeypatch, capsys):
    with run() as tracker:
        tracker.metrics({"loss": 4.0}, 1)
        tracker.flush()
        with monkeypatch.context() as fault:
            break_(fault, "log_batch")
            for step in (2, 3):
                tracker.metrics({"loss": 1.0}, step)
                tracker.flush()
            assert len(waiting()) == 1
        tracker.metrics({"loss": 0.5}, 4)
    assert runs() == [("FINISHED", [(1, 4.0), (2, 1.0), (3, 1.0), (4, 0.5)])]
    assert not any(backlog.folder().iterdir())
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("MLflow: (sqlite3.OperationalError) database is locked; work goes on, values wait in ")


@pytest.mark.slow
def test_a_fault_that_stays_is_mended_by_the_next_run(monkeypatch, capsys):
    with monkeypatch.context() as fault, run() as tracker:
        break_(fault, "log_batch", "set_terminated")
        tracker.metrics({"loss": 4.0}, 1)
    assert "1 values of run base/minilm wait in" in capsys.readouterr().err
    with run():
        pass
    assert runs() == [("FINISHED", []), ("FINISHED", [(1, 4.0)])]
    assert not any(backlog.folder().iterdir())


@pytest.mark.slow
def test_a_server_that_cannot_be_reached_from_the_start(monkeypatch, capsys):
    with monkeypatch.context() as fault:
        break_(fault, "get_experiment_by_name")
        with pytest.raises(KeyboardInterrupt), run() as tracker:
            tracker.metrics({"loss": 4.0}, 1)
            raise KeyboardInterrupt
    with run():
        pass
    assert runs() == [("FINISHED", []), ("KILLED", [(1, 4.0)])]


@pytest.mark.slow
def test_a_server_that_is_not_there(capsys):
    with run("http://127.0.0.1:1") as tracker:
        tracker.metrics({"loss": 4.0}, 1)
    assert len(waiting()) == 1
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith("MLflow: runtime.tracking.uri: cannot use http://127.0.0.1:1: ")
    assert lines[-1].startswith("MLflow: 1 values of run base/minilm wait in ")
    with run():
        pass
    assert runs() == [("FINISHED", []), ("FINISHED", [(1, 4.0)])]


@pytest.mark.slow
def test_a_database_that_was_deleted_meanwhile(monkeypatch, capsys):
    with run() as tracker:
        tracker.metrics({"loss": 4.0}, 1)
        tracker.flush()
        Path(URI).unlink()
        tracker.metrics({"loss": 2.0}, 2)
    assert "1 values of run base/minilm wait in" in capsys.readouterr().err
    assert len(waiting()) == 1
    # another process, which sets the database up anew
    tracking.connect(SimpleNamespace(uri="fresh.db", experiment="tests"))
    Path("fresh.db").replace(URI)
    with run():
        pass
    assert "run base/minilm is gone; a new one holds what follows" in capsys.readouterr().err
    assert runs() == [("FINISHED", []), ("FINISHED", [(2, 2.0)])]


@pytest.mark.slow
def test_a_locked_database(monkeypatch):
    with run() as tracker:
        tracker.flush()
        lock = sqlite3.connect(URI, isolation_level=None)
        lock.execute("BEGIN EXCLUSIVE")
        monkeypatch.setattr(trackers.MlflowTracker, "_reach", _without_waiting(trackers.MlflowTracker._reach))
        tracker.metrics({"loss": 4.0}, 1)
        tracker.flush()
        lock.execute("ROLLBACK")
        lock.close()
    assert runs() == [("FINISHED", [(1, 4.0)])]


def _without_waiting(reach):
    """As `reach`, while a database that is locked is found so at once, not after 20 seconds."""

    def immediately(self):
        probe = sqlite3.connect(URI, timeout=0)
        try:
            probe.execute("SELECT 1 FROM runs").fetchall()
        except sqlite3.OperationalError as error:
            raise store.UnreachableError(str(error)) from None
        finally:
            probe.close()
        reach(self)

    return immediately


@pytest.mark.slow
def test_a_run_is_continued_without_points_that_it_has(tmp_path):
    memory = tmp_path / "runs" / "minilm"
    with pytest.raises(KeyboardInterrupt), run(memory=memory) as tracker:
        for step in range(1, 6):
            tracker.metrics({"loss": 1 / step}, step)
        raise KeyboardInterrupt
    with run(memory=memory) as tracker:
        for step in range(4, 8):
            tracker.metrics({"loss": 1 / step}, step)
    assert runs() == [("FINISHED", [(step, 1 / step) for step in range(1, 8)])]


@pytest.mark.slow
def test_what_a_killed_process_left_is_sent_once(tmp_path):
    """It was killed while it sent: a part is in the run already."""
    with run() as tracker:
        tracker.metrics({"loss": 4.0}, 1)
        about = dict(tracker._about)
    points = [("loss", 4.0, 1, 1), ("loss", 2.0, 2, 2)]
    kept = backlog.Backlog()
    kept.keep(about, points[:1])
    kept.keep(about, points)
    with kept.path.open("a") as file:
        file.write('[["loss", 1.0')
    with run():
        pass
    assert len(waiting()) == 1  # its process lives
    kept.release()
    with run():
        pass
    assert runs()[-1] == ("FINISHED", [(1, 4.0), (2, 2.0)])
    assert not waiting()


def test_a_disk_that_is_full_as_well_is_told(monkeypatch, capsys):
    def full(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as fault, run() as tracker:
        break_(fault, "log_batch")
        fault.setattr(backlog.Backlog, "keep", full)
        tracker.metrics({"loss": 4.0}, 1)
        tracker.flush()
        tracker.metrics({"loss": 2.0}, 2)
        tracker.end("FINISHED")
    assert "MLflow: 2 values of run base/minilm are lost" in capsys.readouterr().err
