"""The folder of a piece of work: another one as soon as anything changes that can change its result, and only then."""

import json

import pytest

from minimoe.resume import work
from minimoe.resume.checkpoints import Checkpoints
from minimoe.resume.work import work_folder

GRAPH = """
stages:
  teacher: {deps: [stages/teacher.py, src/minimoe/teacher, data/records]}
  distill: {foreach: [base], do: {deps: [stages/distill.py, src/minimoe/teacher]}}
"""
FILES = {
    "dvc.yaml": GRAPH,
    "stages/teacher.py": "teach",
    "stages/distill.py": "distill",
    "src/minimoe/teacher/a.py": "one",
    "src/minimoe/other.py": "other",
    "data/tokenizer/tokenizer.json": "words",
    "data/tokenizer/more/special.json": "special",
}


@pytest.fixture
def repository(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, text in FILES.items():
        put(tmp_path / name, text)
    return tmp_path


def put(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def folder(stage="teacher", name="", facts=({"seed": 1},)):
    return work_folder(stage, name, ["data/tokenizer"], list(facts))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("stages/teacher.py", "teach more"),
        ("src/minimoe/teacher/a.py", "two"),
        ("src/minimoe/teacher/b.py", "new"),
        ("src/minimoe/teacher/deep/c.py", "new"),
        ("data/tokenizer/tokenizer.json", "other"),
        ("data/tokenizer/more/special.json", "SPECIAL"),
        ("data/tokenizer/new.json", ""),
    ],
)
def test_code_and_inputs_are_part_of_the_key(repository, name, text):
    before = folder()
    put(repository / name, text)
    assert folder() != before
    (repository / name).unlink() if name not in FILES else put(repository / name, FILES[name])
    assert folder() == before


@pytest.mark.parametrize("library", work.LIBRARIES)
def test_libraries_are_part_of_the_key(repository, monkeypatch, library):
    before, version = folder(), work.version
    monkeypatch.setattr(work, "version", lambda name: "99" if name == library else version(name))
    assert folder() != before


def test_facts_and_names_are_part_of_the_key(repository):
    found = {folder(), folder(facts=[{"seed": 2}]), folder(facts=[]), folder("distill", "base"), folder("distill", "b")}
    assert len(found) == 5
    assert folder(facts=[{"seed": 1}]) == folder()


@pytest.mark.parametrize("name", ["src/minimoe/other.py", "stages/distill.py", "src/minimoe/teacher/__pycache__/a.pyc"])
def test_other_files_are_not(repository, name):
    before = folder()
    put(repository / name, "changed")
    assert folder() == before


def test_of_data_only_the_inputs_count_as_dvc_watches_the_rest(repository):
    before = folder()
    put(repository / "data/records/a", "records")
    assert folder() == before


def test_work_of_other_settings_is_told_of_and_kept(repository, capsys):
    before = folder()
    Checkpoints(before).run_id("run").parent.mkdir(parents=True)
    Checkpoints(before).run_id("run").write_text("0" * 32)
    assert folder(facts=[]) != before
    assert not capsys.readouterr().err  # an id alone is no work
    (before / "state").write_text(json.dumps({}))
    after = folder(facts=[])
    assert f"starts over, as what changes its result has changed; what was done before is kept in {before}" in (
        capsys.readouterr().err
    )
    after.mkdir()
    folder(facts=[])
    assert not capsys.readouterr().err  # it was told
    work.remove(after)
    assert before.exists() and not after.exists()
    work.remove(before)
    assert not before.parent.exists()
