"""The model registry: a version for each state of a folder; trouble with it is one line and no more."""

from pathlib import Path

import pytest
from tracking.runs import run, runs

from minimoe import tracking
from minimoe.tracking import registry

pytestmark = pytest.mark.usefixtures("folder")
STUDENT = tracking.Registered("base/minilm", ("data/records",), {"score": "70.00"})


def lock(digest: str) -> None:
    made = f"    outs:\n    - path: models/base/minilm\n      hash: md5\n      md5: {digest}\n"
    Path("dvc.lock").write_text(f"schema: '2.0'\nstages:\n  a:\n{made}")


def register(students=(STUDENT,), aliases=None):
    with run() as tracker:
        tracker.register(list(students), {"best-at-3M-macs": "base/minilm"} if aliases is None else aliases)
    return tracker._client


@pytest.mark.slow
def test_a_version_is_made_for_each_state_of_a_folder(capsys):
    for digest in ("01.dir", "01.dir", "02.dir"):
        lock(digest)
        client = register()
    versions = client.search_model_versions("name = 'tests'", order_by=["version_number ASC"])
    assert [version.tags["dvc.hash"] for version in versions] == ["01.dir", "02.dir"]
    assert versions[0].source == Path("models/base/minilm").resolve().as_uri()
    assert {key: str(v) for key, v in client.get_registered_model("tests").aliases.items()} == {"best-at-3M-macs": "2"}
    assert not capsys.readouterr().err


@pytest.mark.slow
def test_an_alias_of_an_earlier_report_goes_and_one_of_the_users_own_stays():
    lock("01.dir")
    client = register()
    client.set_registered_model_alias("tests", "mine", 1)
    client = register([STUDENT._replace(about={"score": "71.00"})], {"best-at-4M-macs": "base/minilm"})
    assert client.get_registered_model("tests").aliases.keys() == {"mine", "best-at-4M-macs"}
    (version,) = client.search_model_versions("name = 'tests'")
    assert version.tags["score"] == "71.00"


@pytest.mark.slow
def test_a_registry_that_refuses_costs_the_run_nothing(capsys):
    lock("01.dir")
    with run() as tracker:
        tracker.metrics({"loss": 4.0}, 1)
        tracker.register([STUDENT], {"no alias: v1": "base/minilm"})
        tracker.metrics({"loss": 2.0}, 2)
    assert runs() == [("FINISHED", [(1, 4.0), (2, 2.0)])]
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("MLflow: the registry refuses the students: ")


@pytest.mark.slow
def test_a_registry_that_is_away_is_one_line_more(monkeypatch, capsys):
    lock("01.dir")

    def away(*_):
        raise ConnectionError("no route to host")

    with monkeypatch.context() as fault, run() as tracker:
        fault.setattr(registry, "register", away)
        tracker.register([STUDENT], {})
    first, second, *_ = capsys.readouterr().err.splitlines()
    assert first.startswith("MLflow: no route to host; work goes on")
    assert second == "MLflow: the students were not registered; dvc repro -f report does so"
    assert runs() == [("FINISHED", [])]


@pytest.mark.parametrize("experiment", ["a/b:c", "it's"])
def test_a_name_that_the_registry_takes(experiment):
    assert not set(registry.model_name(experiment)) & set("/:'")
