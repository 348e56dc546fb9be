"""What a run will lack is said before its first stage."""

import os
from types import SimpleNamespace

import pytest

from minimoe.pipeline import preflight, repro
from minimoe.system.errors import UserError

CLOSED = "http://127.0.0.1:9"


@pytest.fixture(autouse=True)
def unchecked(monkeypatch):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    monkeypatch.delenv(preflight.CHECKED, raising=False)
    yield
    os.environ.pop(preflight.CHECKED, None)


def settings(device="cpu", launcher="python", cell_launcher="python", uri=CLOSED, enabled=False):
    tracking = SimpleNamespace(enabled=enabled, uri=uri, experiment="minimoe", system_metrics=False)
    return SimpleNamespace(device=device, launcher=launcher, cell_launcher=cell_launcher, tracking=tracking)


@pytest.fixture
def no_gpu(monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)


LACKING = [
    ({"device": "cuda"}, r"runtime\.device: expected auto or cpu"),
    ({"launcher": "no-such-launcher --x"}, r"runtime\.launcher: no program 'no-such-launcher'"),
    ({"cell_launcher": "no-such-srun"}, r"runtime\.cell_launcher: no program 'no-such-srun'"),
]


@pytest.mark.parametrize(("values", "message"), LACKING)
def test_the_whole_pipeline_is_not_begun(no_gpu, values, message):
    with pytest.raises(UserError, match=message):
        preflight.preflight(settings(**values))


@pytest.mark.parametrize(("values", "message"), LACKING)
def test_a_part_of_it_may_be(no_gpu, values, message, capsys):
    preflight.preflight(settings(**values), whole=False)
    assert capsys.readouterr().err.startswith("warning: ")


def test_mlflow_out_of_reach_is_one_line_once(capsys):
    for _ in range(2):
        preflight.preflight(settings(enabled=True))
    said = capsys.readouterr().err
    assert said.startswith(f"warning: runtime.tracking.uri: cannot use {CLOSED}") and said.count("\n") == 1
    assert "work goes on" in said


def test_what_is_there_is_not_spoken_of(tmp_path, capsys):
    preflight.preflight(settings(uri=str(tmp_path / "mlflow.db"), enabled=True))
    assert capsys.readouterr().err == ""


def test_repro_looks_first(monkeypatch, no_gpu):
    empty = {section: SimpleNamespace(models=[], tasks=[]) for section in ("table", "taught", "export")}
    params = SimpleNamespace(runtime=settings(device="cuda"), **empty)
    monkeypatch.setattr(repro, "load", lambda: params)
    monkeypatch.setattr(repro, "repair", lambda: None)
    monkeypatch.setattr(repro, "look", lambda _: repro.Outdated({"settings"}, ["settings"], [], {}))
    monkeypatch.setattr(repro.grid, "run", lambda *_: pytest.fail("began"))
    with pytest.raises(UserError, match=r"runtime\.device"):
        repro.repro()
