"""The stage says at once that a round wants to measure more records than are held out."""

import sys
from pathlib import Path

import pytest
from corpus.tiny_corpus import BERT, make_tokenizer, sentences
from ruamel.yaml import YAML

import stages.records
import stages.settings
from minimoe.records.manifest import MANIFEST
from minimoe.system.errors import UserError

ROOT = Path(__file__).parents[2]


def write_params(heldout, of_the_round=None):
    yaml = YAML()
    params = yaml.load(ROOT / "params.yaml")
    params["distill"]["heldout"] = heldout
    base = params["rounds"]["base"]
    params["rounds"] = {"base": base | ({"heldout": of_the_round} if of_the_round else {})}
    params["table"]["models"] = ["teacher"]
    params["export"]["models"] = []
    params["runtime"] |= {"workers": 1, "device": "cpu"}
    params["runtime"]["tracking"]["enabled"] = False
    yaml.dump(params, Path("params.yaml"))
    stages.settings.main()


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A folder in which the stage can run."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["records"])
    for name in ("dvc.yaml", "src", "stages"):
        Path(name).symlink_to(ROOT / name)
    make_tokenizer("data/tokenizer", BERT, "[CLS]:0 $A:0 [SEP]:0 $B:1 [SEP]:1")
    Path("data/formatted").mkdir()
    Path("data/formatted/00000.txt").write_text(sentences(), encoding="utf-8")


@pytest.mark.parametrize(("of_all", "of_one", "key"), [(9999, None, "distill"), (1, 9999, "rounds.base")])
def test_too_few_held_out_are_told_before_any_training(project, capsys, of_all, of_one, key):
    write_params(of_all, of_one)
    with pytest.raises(UserError, match=rf"^{key}\.heldout: expected at most \d+, .* got 9999; lower it") as error:
        stages.records.main()
    assert "\n" not in str(error.value)
    made = Path("data/records", MANIFEST).stat().st_mtime_ns
    write_params(1)
    capsys.readouterr()
    stages.records.main()
    assert "records: " in capsys.readouterr().out and not Path("work/records").exists()
    assert Path("data/records", MANIFEST).stat().st_mtime_ns >= made
