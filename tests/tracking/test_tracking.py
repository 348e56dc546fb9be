import os
import signal
import subprocess
import sys
from multiprocessing import get_context
from types import SimpleNamespace

import pytest

from minimoe import tracking
from minimoe.system.errors import UserError


def settings(uri="work/mlflow.db", enabled=True):
    return SimpleNamespace(enabled=enabled, uri=str(uri), experiment="tests", system_metrics=False)


@pytest.fixture
def client(tmp_path, monkeypatch):
    """A client of a new database, in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    from mlflow import MlflowClient

    return MlflowClient(tracking.address("work/mlflow.db"))


def only_run(client):
    experiment = client.get_experiment_by_name("tests")
    (found,) = client.search_runs([experiment.experiment_id])
    return found


def test_off_is_silent(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with tracking.run(settings(enabled=False), "run", {}, {}) as tracker:
        tracker.metrics({"loss": 1.0}, 1)
        tracker.artifact("nowhere")
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_a_run_keeps_params_tags_curves_and_artifacts(client, tmp_path):
    (tmp_path / "page.html").write_text("hello")
    with tracking.run(settings(), "base/minilm", {"stage": "distill"}, {"layers": 2, "experts": {"ffn": 4}}) as tracker:
        for step in range(450):
            tracker.metrics({"loss": 1 / (step + 1)}, step)
        tracker.artifact(tmp_path / "page.html")
    found = only_run(client)
    assert (found.info.run_name, found.info.status) == ("base/minilm", "FINISHED")
    assert found.data.params == {"layers": "2", "experts.ffn": "4"}
    assert found.data.tags["stage"] == "distill"
    assert len(client.get_metric_history(found.info.run_id, "loss")) == 450
    assert [file.path for file in client.list_artifacts(found.info.run_id)] == ["page.html"]


def test_the_machines_metrics_go_with_the_runs_own(client, monkeypatch):
    chosen = SimpleNamespace(**vars(settings()) | {"system_metrics": True})
    monkeypatch.setattr("minimoe.tracking.machine_metrics.SECONDS", 0.0)
    with tracking.run(chosen, "run", {}, {}) as tracker:
        tracker.metrics({"loss": 1.0}, 1)
        monkeypatch.setattr("minimoe.tracking.machine_metrics.SECONDS", 60.0)
        tracker.metrics({"loss": 0.5}, 2)
    found = only_run(client)
    assert 0 <= found.data.metrics["system/cpu_utilization_percentage"] <= 100
    assert found.data.metrics["system/disk_available_megabytes"] > 0
    (sample,) = client.get_metric_history(found.info.run_id, "system/system_memory_usage_percentage")
    assert sample.step == 1


@pytest.mark.slow
def test_a_monitor_that_does_not_work_here_ends_nothing(client, monkeypatch, capsys):
    monkeypatch.setattr("psutil.net_io_counters", lambda: None)  # as where there is no network card
    chosen = SimpleNamespace(**vars(settings()) | {"system_metrics": True})
    with tracking.run(chosen, "run", {}, {}) as tracker:
        tracker.metrics({"loss": 1.0}, 1)
    assert {"loss", "system/cpu_utilization_percentage"} <= only_run(client).data.metrics.keys()
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("MLflow: no metrics of NetworkMonitor: ")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("error", "status"), [(ValueError, "FAILED"), (UserError, "FAILED"), (KeyboardInterrupt, "KILLED")]
)
def test_a_broken_run_is_closed_with_what_it_measured(client, error, status):
    with pytest.raises(error), tracking.run(settings(), "run", {}, {}) as tracker:
        tracker.metrics({"loss": 2.0}, 1)
        raise error("stopped")
    found = only_run(client)
    assert found.info.status == status
    assert found.data.metrics == {"loss": 2.0}


@pytest.mark.slow
def test_sigterm_closes_the_run_as_killed(client):
    with pytest.raises(KeyboardInterrupt), tracking.run(settings(), "run", {}, {}):
        os.kill(os.getpid(), signal.SIGTERM)
    assert only_run(client).info.status == "KILLED"


@pytest.mark.slow
def test_being_ended_twice_does_not_leave_the_run_open(client):
    with pytest.raises(KeyboardInterrupt), tracking.run(settings(), "run", {}, {}) as tracker:
        closing, tracker.flush = tracker.flush, lambda: (os.kill(os.getpid(), signal.SIGTERM), closing())
        os.kill(os.getpid(), signal.SIGTERM)
    assert only_run(client).info.status == "KILLED"
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_forks_of_a_process_that_is_connected_track_their_own_runs(client):
    tracking.connect(settings())

    def work(number):
        with tracking.run(settings(), f"run {number}", {}, {}) as tracker:
            tracker.metrics({"loss": number})

    forked = [get_context("fork").Process(target=work, args=(number,)) for number in range(3)]
    [process.start() for process in forked]
    [process.join() for process in forked]
    assert [process.exitcode for process in forked] == [0] * 3
    found = client.search_runs([client.get_experiment_by_name("tests").experiment_id])
    assert {(run.info.run_name, run.info.status, run.data.metrics["loss"]) for run in found} == {
        (f"run {number}", "FINISHED", number) for number in range(3)
    }


def test_an_address_that_cannot_be_used_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(UserError, match=r"runtime\.tracking\.uri: cannot use"),
        tracking.run(settings(tmp_path / "file" / "mlflow.db"), "run", {}, {}),
    ):
        pass


def test_a_temporary_workspace_of_dvc_uses_the_repositorys_database(tmp_path, monkeypatch):
    workspace = tmp_path / ".dvc" / "tmp" / "exps" / "x"
    workspace.mkdir(parents=True)
    monkeypatch.chdir(workspace)
    assert tracking.address("work/mlflow.db") == f"sqlite:///{tmp_path}/work/mlflow.db"


@pytest.mark.slow
def test_many_processes_share_a_database_that_none_has_made_yet(client, tmp_path):
    script = (
        "from types import SimpleNamespace\n"
        "from minimoe import tracking\n"
        "chosen = SimpleNamespace(enabled=True, uri='work/mlflow.db', experiment='tests', system_metrics=False)\n"
        "with tracking.run(chosen, 'run', {}, {}) as tracker:\n"
        "    [tracker.metrics({'loss': step}, step) for step in range(300)]\n"
    )
    running = [subprocess.Popen([sys.executable, "-c", script], cwd=tmp_path) for _ in range(4)]
    assert [process.wait() for process in running] == [0] * 4
    experiment = client.get_experiment_by_name("tests")
    runs = client.search_runs([experiment.experiment_id])
    assert [run.info.status for run in runs] == ["FINISHED"] * 4
    assert all(len(client.get_metric_history(run.info.run_id, "loss")) == 300 for run in runs)
