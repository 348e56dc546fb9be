import shutil
from pathlib import Path

import pytest
from corpus.tiny_corpus import BERT, make_tokenizer, sentences
from ruamel.yaml import YAML
from sparsify.sparse import teacher

import stages.settings
from minimoe.corpus.build import build_records
from minimoe.records.dataset import Records

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def made(tmp_path_factory):
    """A run's folder after the teacher stage: `models/teacher`, a tiny BERT with its tokenizer, and `data/records`."""
    root = tmp_path_factory.mktemp("run")
    model = teacher()
    model.save_pretrained(root / "models" / "teacher")
    make_tokenizer(root / "models" / "teacher", BERT, "[CLS]:0 $A:0 [SEP]:0 $B:1 [SEP]:1")
    (root / "formatted").mkdir()
    (root / "formatted" / "00000.txt").write_text(sentences(), encoding="utf-8")
    values = {
        "max_length": 24,
        "short_probability": 0.1,
        "shard_records": 100,
        "heldout": 0.1,
        "seed": 776,
        "workers": 1,
    }
    build_records(root / "formatted", root / "models" / "teacher", root / "data" / "records", **values)
    return root


@pytest.fixture(scope="session")
def headless(made, tmp_path_factory):
    """The same, but the teacher was saved without its masked language modeling head, as sentence encoders are."""
    root = tmp_path_factory.mktemp("headless")
    shutil.copytree(made, root, dirs_exist_ok=True)
    teacher().bert.save_pretrained(root / "models/teacher")
    return root


@pytest.fixture
def prepared(tmp_path, monkeypatch):
    """The current folder: a copy of the one given, with params of the stage, among them these of `runtime`."""

    def prepare(made, **runtime):
        for name in ("models", "data"):
            shutil.copytree(made / name, tmp_path / name)
        for name in ("dvc.yaml", "src", "stages"):
            (tmp_path / name).symlink_to(ROOT / name)
        yaml = YAML()
        params = yaml.load(ROOT / "params.yaml")
        params["sparsify"] |= {"share": 0.25, "batch": 8, "head_steps": 20, "sparsities": [0, 50, 80]}
        params["runtime"] |= {"device": "cpu", **runtime}
        params["runtime"]["tracking"]["enabled"] = False
        yaml.dump(params, tmp_path / "params.yaml")
        monkeypatch.chdir(tmp_path)
        stages.settings.main()
        return round(0.25 * len(Records("data/records").training))

    return prepare
