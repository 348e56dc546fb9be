"""The parts of the fault suite that can be wrong without anybody noticing."""

from random import Random

import pytest
import yaml

from faults import damage, pipeline
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


@pytest.mark.parametrize("text, code, stops, wrong", [
    ("error: data/records: damaged", 1, True, ""),
    ("error: data/records: damaged", 1, False, "stopped: error: data/records: damaged"),
    ("Traceback (most recent call last):\nOSError", 1, None, "stopped with traceback"),
    ("", 1, None, "stopped with no word on why"),
    ("", -9, None, ""),
    ("", 0, None, ""),
    ("", 0, True, "went on as if nothing were wrong"),
])  # fmt: skip
def test_a_run_with_a_fault_stops_with_a_line_or_goes_on(text, code, stops, wrong, monkeypatch):
    monkeypatch.setattr(Run, "text", text)
    assert misbehaved(object.__new__(Run), code, stops) == wrong
