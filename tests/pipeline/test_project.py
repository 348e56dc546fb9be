"""Folders in which DVC cannot work: one line from every command that asks it."""

import shutil
import subprocess

import pytest
from pipeline.repository import ROOT

from minimoe.pipeline.repair import repair, wait_for_others
from minimoe.pipeline.repro import look
from minimoe.plan import run as plan
from minimoe.publish.push import _made
from minimoe.system.errors import UserError

ASKED = {
    "repro": repair,
    "wait": lambda: wait_for_others(0),
    "look": look,
    "push": lambda: _made("base/minilm-2L-72H"),
    "plan": lambda: plan._done("."),
}


@pytest.fixture(params=ASKED)
def ask(request):
    return ASKED[request.param]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with params.yaml and dvc.yaml, under neither DVC nor git."""
    for name in ("params.yaml", "dvc.yaml"):
        shutil.copy(ROOT / name, tmp_path)
    for key in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"):
        monkeypatch.delenv(key, raising=False)
    monkeypatch.setenv("DVC_SITE_CACHE_DIR", str(tmp_path / "site"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_folder_that_is_not_set_up(folder, ask):
    with pytest.raises(UserError, match=rf"^{folder}: no DVC project here; `minimoe init` sets a folder up$"):
        ask()


def test_an_archive_without_git(folder, ask):
    shutil.copytree(ROOT / ".dvc", folder / ".dvc", ignore=shutil.ignore_patterns("cache", "tmp", "*.local"))
    with pytest.raises(UserError, match=rf"^{folder} is not a git repository; `git init` makes it one"):
        ask()
    subprocess.run(["git", "init", "-q"], check=True)
    repair()
    wait_for_others(0)


def test_settings_of_dvc_that_it_cannot_read(folder, ask):
    (folder / ".dvc").mkdir()
    (folder / ".dvc/config").write_text("[core")
    with pytest.raises(UserError, match=rf"^{folder}: dvc cannot read the pipeline: .*config") as error:
        ask()
    assert "\n" not in str(error.value)
