"""`minimoe init`: a folder that the pipeline runs in, and nothing of the user's overwritten."""

import subprocess
import tomllib
from pathlib import Path

import pytest
from dvc.repo import Repo

import minimoe
from minimoe.params import load
from minimoe.pipeline import init as module
from minimoe.pipeline.init import COPIED, init
from minimoe.system.errors import UserError

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def outside_of_any_repository(monkeypatch):
    for key in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"):
        monkeypatch.delenv(key, raising=False)


def tree(folder: Path) -> dict[str, bytes]:
    """All files, those behind links as well, but git's."""
    files = [path for path in folder.rglob("*") if path.is_file() and ".git" not in path.parts]
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def test_the_wheel_carries_what_init_copies():
    wheel = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert wheel["force-include"] == {name: f"minimoe/project/{name}" for name in (*COPIED, "stages")}


def test_an_empty_folder_gets_the_whole_graph(tmp_path):
    init(tmp_path)
    assert load(tmp_path / "params.yaml") == load(ROOT / "profiles/sample.yaml")
    with Repo(tmp_path) as repo:
        stages = {stage.name: stage for stage in repo.index.stages}
        assert {"settings", "distill@base", "report"} <= set(stages)
        # every file that a stage declares and no other makes is there
        made = {str(out) for stage in stages.values() for out in stage.outs}
        missing = {str(dep) for stage in stages.values() for dep in stage.deps if not Path(tmp_path, str(dep)).exists()}
        assert not [path for path in missing if path.startswith(("src", "stages", "data/sample"))], made
    assert subprocess.run(["git", "status"], cwd=tmp_path, capture_output=True).returncode == 0


def test_dvc_watches_the_code_that_runs(tmp_path):
    init(tmp_path)
    package = Path(minimoe.__file__).parent
    assert (tmp_path / "src/minimoe/params/load.py").samefile(package / "params/load.py")
    assert (tmp_path / "stages/distill.py").samefile(ROOT / "stages/distill.py")


def test_again_changes_nothing_and_loses_no_edit(tmp_path, capsys):
    init(tmp_path)
    (tmp_path / "params.yaml").write_text("seed: 1\n")
    (tmp_path / "dvc.yaml").write_text("stages: {}\n")
    (tmp_path / "data/sample/README.md").unlink()
    before = tree(tmp_path)
    capsys.readouterr()
    init(tmp_path)
    after = tree(tmp_path)
    assert set(after) - set(before) == {"data/sample/README.md"}
    assert before == {path: after[path] for path in before}
    assert capsys.readouterr().out.splitlines()[1] == "kept, though the package has others: dvc.yaml"


def test_links_follow_another_environment(tmp_path):
    init(tmp_path)
    for link in (tmp_path / "stages", tmp_path / "src/minimoe"):
        link.unlink()
        link.symlink_to(tmp_path / "gone")
    init(tmp_path)
    assert (tmp_path / "stages/distill.py").exists() and (tmp_path / "src/minimoe/params").is_dir()


@pytest.mark.parametrize("own", ["stages", "src/minimoe"])
def test_a_clone_is_refused_and_left_as_it_is(tmp_path, own):
    (tmp_path / own).mkdir(parents=True)
    with pytest.raises(UserError, match="set up another folder"):
        init(tmp_path)
    assert not tree(tmp_path)


def test_a_folder_of_a_repository_stays_part_of_it(tmp_path):
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    (tmp_path / "run").mkdir()
    init(tmp_path / "run")
    assert not (tmp_path / "run/.git").exists()
    with Repo(tmp_path / "run") as repo:
        assert Path(repo.root_dir) == tmp_path / "run"


def test_without_git_dvc_works_without(tmp_path, monkeypatch):
    def missing(command, **options):
        raise FileNotFoundError(command[0])

    monkeypatch.setattr(module.subprocess, "run", missing)
    init(tmp_path)
    with Repo(tmp_path) as repo:
        assert repo.config["core"]["no_scm"]
