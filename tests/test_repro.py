"""What a kill leaves half-written of DVC's own files does not keep the next run from starting."""

import pytest
import yaml

from minimoe.repro import mend

LOCK = {"schema": "2.0", "stages": {"one": {"cmd": "true", "outs": [{"path": "a", "hash": "md5", "md5": "0" * 32}]}}}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    from dvc.repo import Repo

    Repo.init(str(tmp_path), no_scm=True).close()
    (tmp_path / "dvc.yaml").write_text("stages:\n  one:\n    cmd: true\n    outs: [a]\n")
    (tmp_path / "dvc.lock").write_text(yaml.safe_dump(LOCK))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_whole_files_stay(folder):
    before = (folder / "dvc.lock").read_text()
    mend()
    assert (folder / "dvc.lock").read_text() == before
    assert not list(folder.rglob("*.damaged"))


@pytest.mark.parametrize("text", ["stages:\n  one:\n    outs: [", "schema: '2.0'\nstages:\n  one:\n", "\0\0\0"])
def test_a_lock_file_that_is_cut_off_is_put_aside(folder, text, capsys):
    (folder / "dvc.lock").write_text(text)
    mend()
    assert not (folder / "dvc.lock").exists()
    assert (folder / "dvc.lock.damaged").read_text() == text
    assert "dvc.lock: cut off" in capsys.readouterr().out


def test_a_list_of_locks_that_is_cut_off_is_put_aside(folder):
    (folder / ".dvc/tmp").mkdir(exist_ok=True)
    (folder / ".dvc/tmp/rwlock").write_text('{"read": {"a')
    mend()
    assert not (folder / ".dvc/tmp/rwlock").exists()
