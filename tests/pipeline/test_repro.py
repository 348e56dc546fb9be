"""`python -m minimoe repro` before its stages run."""

import re
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from minimoe.pipeline import repro
from minimoe.pipeline.preflight import CHECKED
from minimoe.pipeline.repro import Outdated
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
    monkeypatch.setattr(repro, "look", lambda _=(): Outdated(stale, sorted(stale), []))
    monkeypatch.setattr(repro, "repair", lambda: None)
    monkeypatch.setattr(repro, "_show", lambda: None)
    monkeypatch.setattr(repro, "_dvc", lambda *targets: ran.append(targets))
    monkeypatch.setattr(repro.grid, "run", lambda waves, *_: ran.append([wave.stages() for wave in waves]))
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
    assert ran == [[["report"], [], [], ["report"]]]
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
    ((_, cells, taught, _),) = ran
    assert (cells, taught) == (["finetune@teacher-mnli"], ["taught@base/minilm-2L-72H-mnli"])


def test_what_is_up_to_date_is_not_visited(stale):
    _, ran = stale
    repro.repro()
    assert not ran
