"""The parts of the fault suite that can be wrong without anybody noticing."""

import json
from contextlib import contextmanager, nullcontext
from random import Random

import pytest
import yaml

from faults import company, damage, disk, kills, mounts, numbers, pipeline, servers, trial
from faults.__main__ import FAULTS
from faults.runs import Run
from faults.trial import Row, misbehaved
from minimoe.params.schema import Params


def test_the_tiny_pipeline_has_every_stage():
    params = Params.model_validate(pipeline.params())
    assert params.rounds and params.sparsify.teachers and params.table.models == pipeline.MODELS


def test_a_copy_knows_nothing_of_what_is_undone(tmp_path):
    reference = tmp_path / "reference"
    (reference / "models/a").mkdir(parents=True)
    stages = {"one": {"cmd": "make one", "outs": [{"path": "models/a"}]}, "two": {"cmd": "make two", "outs": []}}
    for name, stage in stages.items():
        (reference / f".dvc/cache/runs/{name[:2]}/{name}").mkdir(parents=True)
        (reference / f".dvc/cache/runs/{name[:2]}/{name}/run").write_text(yaml.safe_dump(stage))
    (reference / "dvc.lock").write_text(yaml.safe_dump({"stages": stages}))
    copy = pipeline.copy(reference, tmp_path / "copy", ["one"])
    assert pipeline.stages(copy) == ["two"]
    assert not (copy / "models/a").exists()
    assert [path.parent.name for path in copy.glob(".dvc/cache/runs/*/*/run")] == ["two"]
    (copy / "dvc.lock").write_text("stages:\n  one: {")
    assert pipeline.stages(copy) == []


def test_outputs_are_compared_to_the_byte_temporary_ones_too(tmp_path):
    (tmp_path / "models/.left.abcdefgh.partial").mkdir(parents=True)
    (tmp_path / "models/.left.abcdefgh.partial/a").write_text("half")
    (tmp_path / "data/sample").mkdir(parents=True)
    (tmp_path / "data/sample/wiki").write_text("an input")
    assert list(pipeline.outputs(tmp_path)) == ["models/.left.abcdefgh.partial/a"]


def test_damage_is_what_it_says(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(bytes(100))
    damage.flip(path, Random(0))
    assert sum(byte.bit_count() for byte in path.read_bytes()) == 1
    damage.cut(path, Random(0))
    assert path.stat().st_size < 100


@pytest.mark.parametrize("row, good", [
    (Row("x", injected=2, survived=2, identical=2), True),
    (Row("x", injected=2, survived=1, identical=2), False),
    (Row("x", injected=2, survived=2, identical=1), False),
    (Row("x", injected=2, survived=2, identical=2, lost=1), False),
    (Row("x"), False),
])  # fmt: skip
def test_a_row_is_good_when_all_survive_and_nothing_is_lost(row, good):
    assert row.good == good


BROKE = "Traceback (most recent call last):\nOSError"


@pytest.mark.parametrize("text, code, stops, wrong", [
    ("error: data/records: damaged", 1, True, ""),
    ("error: data/records: damaged", 1, False, "stopped: error: data/records: damaged"),
    (f"x\n{BROKE}", 1, None, f"stopped with {BROKE}"),
    (BROKE, -9, None, f"stopped with {BROKE}"),
    ("", 1, None, "stopped with no word on why"),
    ("", -9, None, ""),
    ("", 0, None, ""),
    ("", 0, True, "went on as if nothing were wrong"),
])  # fmt: skip
def test_a_run_with_a_fault_stops_with_a_line_or_goes_on(text, code, stops, wrong, monkeypatch):
    monkeypatch.setattr(Run, "text", text)
    assert misbehaved(object.__new__(Run), code, stops) == wrong


class Quiet(Run):
    """A run that no fault can reach: it ends well at once; all that it makes is `out`."""

    text, ran, pid, out = "", [], 0, "as ever"

    def __init__(self, folder, *targets, cold=None, log="log"):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "models").mkdir(exist_ok=True)
        (folder / "models/out").write_text(self.out)

    def until(self, stages, seconds=0.0):
        return False

    def alive(self):
        return False

    def wait(self, seconds):
        return False

    def end(self):
        return 0

    def kill(self, number, whom):
        pass


@pytest.fixture
def reference(tmp_path, monkeypatch):
    """A reference run without its minutes; nothing that a fault does to processes, disks and files has an effect."""
    folder = tmp_path / "base/reference"
    for pattern, *_ in damage.FILES.values():
        path = folder / pattern.replace("*", "a")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"a")
    (folder / "models/out").write_text("as ever")
    (folder / "dvc.lock").write_text("stages: {}")
    (folder / "work").mkdir()
    (folder / "work/mlflow.db").touch()
    seconds = dict.fromkeys([*disk.STAGES, "format", "distill@sparse", "report", "finetune@base/dense-rte"], 1.0)
    (tmp_path / "base/seconds.json").write_text(json.dumps(seconds))
    for module in (trial, kills, company, damage):
        monkeypatch.setattr(module, "Run", Quiet)
    monkeypatch.setattr(pipeline, "undo", lambda folder, names: None)
    monkeypatch.setattr(trial, "strays", lambda folder: [])
    for module, name in ((damage, "flip"), (damage, "cut"), (mounts, "resize")):
        monkeypatch.setattr(module, name, lambda *arguments: None)
    for name in ("small_disk", "read_only"):
        monkeypatch.setattr(mounts, name, nullcontext)
    monkeypatch.setattr(servers, "write_params", lambda *arguments: None)
    monkeypatch.setattr(numbers, "write_params", lambda *arguments: None)
    return trial.Reference(tmp_path / "base", seed=0)


@pytest.mark.slow
@pytest.mark.parametrize("name", FAULTS)
def test_no_kind_of_fault_counts_where_it_has_no_effect(reference, name):
    inject, count, _ = FAULTS[name]
    rows = inject(reference, min(count, 2))
    assert rows
    for row in rows:
        assert row.injected == row.survived == row.identical == 0 and row.missed
        assert not row.good and f"not seen to strike in {trial.TRIES} tries" in row.remarks[0]


@contextmanager
def always(folder):
    yield trial.Strike(lambda run, code: True)


def test_a_fault_that_strikes_counts(reference):
    row = Row("x")
    reference.strike(row, [], always, stops=None)
    assert row.good and (row.injected, row.identical) == (1, 1)


def test_a_fault_may_miss_and_is_tried_again(reference):
    row, seen = Row("x"), iter([False, True])

    @contextmanager
    def second(folder):
        yield trial.Strike(lambda run, code: next(seen))

    reference.strike(row, [], second, stops=None)
    assert row.good and (row.injected, row.missed) == (1, 1)


def test_other_bytes_after_a_fault_are_not_good(reference, monkeypatch):
    row = Row("x")
    monkeypatch.setattr(Quiet, "out", "something else")
    reference.strike(row, [], always, stops=None)
    assert not row.good and row.injected == 1 and row.identical == 0
    assert "other outputs: models/out" in row.remarks[0]


def test_a_comparison_of_nothing_is_none(reference, monkeypatch):
    monkeypatch.setattr(trial, "outputs", lambda folder: {})
    with pytest.raises(SystemExit, match="no outputs to compare with"):
        trial.Reference(reference.base, seed=0)
