"""`python -m minimoe repro` before its stages run."""

import re
from pathlib import Path
from types import SimpleNamespace

import pytest
from ruamel.yaml import YAML

from minimoe.pipeline import repro
from minimoe.pipeline.preflight import CHECKED
from minimoe.pipeline.repro import Outdated
from minimoe.system import machine
from minimoe.system.errors import UserError

ROOT = Path(__file__).parents[2]


@pytest.fixture
def stale(tmp_path, monkeypatch):
    """The stages that are to run, of the sample with a launcher that is not there; and what was run."""
    yaml, stale, ran = YAML(), set(), []
    values = yaml.load(ROOT / "profiles/sample.yaml")
    values["runtime"]["launcher"] = "nowhererun --nproc-per-node=2"
    yaml.dump(values, tmp_path / "params.yaml")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(CHECKED, "so that it is put back")
    monkeypatch.delenv(CHECKED)
    monkeypatch.setattr(repro, "wait_for_others", lambda _: None)
    monkeypatch.setattr(
        repro, "look", lambda _=(): Outdated(stale, sorted(stale), [], {stage: set() for stage in stale})
    )
    monkeypatch.setattr(repro, "repair", lambda: None)
    monkeypatch.setattr(repro, "_show", lambda: None)
    monkeypatch.setattr(repro, "_dvc", lambda *targets: ran.append(targets))
    monkeypatch.setattr(repro.grid, "run", lambda waves, *_: ran.append([list(wave.stages()) for wave in waves]))
    return stale, ran


def test_a_missing_launcher_is_refused_before_any_stage_runs(stale):
    stages, ran = stale
    stages.add("download")  # rounds may be stale when it has run
    with pytest.raises(UserError, match=r"^runtime\.launcher: no program 'nowhererun' here"):
        repro.repro()
    assert not ran


def test_a_missing_launcher_of_cells_is_refused_too(stale, tmp_path):
    stages, ran = stale
    stages.add("finetune@teacher-mnli")
    text = (tmp_path / "params.yaml").read_text()
    (tmp_path / "params.yaml").write_text(
        re.sub("(?m)^(  launcher:).*$", r"\1 python", text).replace(
            "cell_launcher: python", "cell_launcher: nosrun -n1"
        )
    )
    with pytest.raises(UserError, match=r"^runtime\.cell_launcher: no program 'nosrun' here"):
        repro.repro()
    assert not ran


def test_where_only_the_report_is_left_no_launcher_is_needed(stale, capsys):
    stages, ran = stale
    stages.add("report")
    repro.repro()
    assert ran == [[["report"], [], [], [], [], ["report"]]]
    assert "warning: runtime.launcher: no program 'nowhererun' here" in capsys.readouterr().err


def test_stages_that_are_named_run_alone(stale, monkeypatch):
    _, ran = stale
    monkeypatch.setattr(repro, "preflight", lambda *_, **__: None)
    repro.repro(["distill@base"])
    assert ran == [("--single-item", "settings", "distill@base")]


def test_cells_that_a_cell_teaches_run_after_it(stale, tmp_path):
    stages, ran = stale
    stages |= {"finetune@teacher-mnli", "taught@base/minilm-2L-72H-mnli"}
    text = (tmp_path / "params.yaml").read_text().replace("nowhererun --nproc-per-node=2", "python")
    text = re.sub(r"(taught:[^\n]*\n\s+models:) \[\]", r"\1 [base/minilm-2L-72H]", text)
    (tmp_path / "params.yaml").write_text(text)
    repro.repro()
    ((_, _, cells, taught, _, _),) = ran
    assert (cells, taught) == (["finetune@teacher-mnli"], ["taught@base/minilm-2L-72H-mnli"])


def test_exports_run_side_by_side_and_costs_with_nothing_beside_them(stale, monkeypatch):
    stages, _ = stale
    exports, workers = ["export-head@base/minimoe-2L-72H-sst2", "export@base/minimoe-2L-72H"], []
    stages |= {"cost@teacher", *exports}
    monkeypatch.setattr(machine, "cores", lambda: 4)
    monkeypatch.setattr(
        repro.grid, "run", lambda waves, *_: workers.extend((wave.stages(), wave.workers()) for wave in waves)
    )
    repro.repro()
    (made, side_by_side), (rest, in_order) = workers[-2:]
    assert (list(made), len(side_by_side)) == (exports, 4)
    assert ("cost@teacher" in rest, len(in_order)) == (True, 1)


def test_what_is_up_to_date_is_not_visited(stale):
    _, ran = stale
    repro.repro()
    assert not ran


def runtime(**given) -> SimpleNamespace:
    return SimpleNamespace(**{"workers": 32, "device": "cpu", "launcher": "python", "round_threads": 1} | given)


@pytest.mark.parametrize(
    ("settings", "count"),
    [({}, 4), ({"round_threads": 0}, 1), ({"launcher": "torchrun"}, 1), ({"device": "cuda"}, 1)],
)
def test_rounds_run_side_by_side_on_cores_alone(settings, count, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr(machine, "cores", lambda: 4)
    assert repro.rounds_side_by_side(runtime(**settings)) == [{}] * count


def test_as_many_rounds_as_their_cores_are_there_for(monkeypatch):
    monkeypatch.setattr(machine, "cores", lambda: 7)
    assert len(repro.rounds_side_by_side(runtime(round_threads=3))) == 2
    assert len(repro.rounds_side_by_side(runtime(round_threads=9))) == 1


def test_a_round_waits_for_the_round_that_makes_its_teacher(stale, monkeypatch):
    rounds, everything = ["distill@base", "distill@assisted"], ["teacher", "distill@base", "distill@assisted"]
    needs = {"teacher": {"records"}, rounds[0]: {"teacher", "records"}, rounds[1]: {rounds[0], "records"}}
    monkeypatch.setattr(repro, "look", lambda _=(): Outdated(set(everything), everything, [], needs))
    assert repro._before([], rounds=False) == {"teacher": set()}
    assert repro._before([], rounds=True) == {rounds[0]: set(), rounds[1]: {rounds[0]}}
