"""What a kill leaves half-written of DVC's own files does not keep the next run from starting."""

import json
import shutil
import subprocess
import threading

import pytest
import yaml

from minimoe.pipeline import repair as module
from minimoe.pipeline.repair import repair, wait_for_others
from minimoe.system.errors import UserError

GRAPH = """stages:
  one:
    cmd: mkdir o && cp in o/a && cp in m
    deps: [in]
    params: [p]
    outs: [o]
    metrics: [m]
"""


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """A pipeline of one stage that has run, in a folder without a dvc.lock that is cut off."""
    from dvc.repo import Repo

    folder = tmp_path_factory.mktemp("repair") / "done"
    folder.mkdir()
    (folder / "in").write_text("1234567890")
    (folder / "params.yaml").write_text("p: 12")
    (folder / "dvc.yaml").write_text(GRAPH)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DVC_SITE_CACHE_DIR", str(folder.with_name("site")))
        patch.chdir(folder)
        with Repo.init(str(folder), no_scm=True) as repo:
            repo.reproduce()
    return folder


@pytest.fixture
def folder(done, tmp_path, monkeypatch):
    monkeypatch.setenv("DVC_SITE_CACHE_DIR", str(tmp_path / "site"))
    monkeypatch.setattr(module, "WRITE_SECONDS", 0)
    shutil.copytree(done, tmp_path / "copy")
    monkeypatch.chdir(tmp_path / "copy")
    return tmp_path / "copy"


def entry(folder):
    """The stage's entry of the run cache."""
    (path,) = (path for path in (folder / ".dvc/cache/runs").rglob("*") if path.is_file())
    return path


def reproduce():
    """The stages that DVC runs or takes from its cache; anything that it refuses is an error."""
    from dvc.repo import Repo

    with Repo() as repo:
        repo.status()
        return [stage.addressing for stage in repo.reproduce()]


def test_whole_files_stay(folder):
    before = (folder / "dvc.lock").read_bytes()
    repair()
    assert (folder / "dvc.lock").read_bytes() == before
    assert entry(folder)
    assert not list(folder.rglob("*.damaged"))
    assert not reproduce()


@pytest.mark.parametrize("text", ["stages:\n  one:\n    outs: [", "schema: '2.0'\nstages:\n  one:\n", "\0\0\0", ""])
def test_a_lock_file_that_is_cut_off_is_put_aside(folder, text, capsys):
    (folder / "dvc.lock").write_text(text)
    repair()
    assert not (folder / "dvc.lock").exists()
    assert (folder / "dvc.lock.damaged").read_text() == text
    assert "dvc.lock: truncated" in capsys.readouterr().out


@pytest.mark.slow
def test_a_lock_file_may_be_cut_off_anywhere(folder):
    """Where it can be read up to the cut, between two lines, DVC makes up for the rest; elsewhere it is put aside."""
    lock = folder / "dvc.lock"
    whole = lock.read_bytes()
    for end in range(len(whole)):
        lock.write_bytes(whole[:end])
        repair()
        assert not lock.exists() or whole[:end].endswith(b"\n"), whole[:end]
        if lock.exists() or end % 50 == 0:
            reproduce()
            assert lock.read_bytes() == whole, whole[:end]


@pytest.mark.parametrize(("path", "key"), [("o", "size"), ("o", "nfiles"), ("m", "size")])
def test_an_output_without_its_size_is_cut_off(folder, path, key):
    values = yaml.safe_load((folder / "dvc.lock").read_text())
    del next(out for out in values["stages"]["one"]["outs"] if out["path"] == path)[key]
    (folder / "dvc.lock").write_text(yaml.safe_dump(values))
    repair()
    assert not (folder / "dvc.lock").exists()


def test_an_entry_of_the_run_cache_may_be_cut_off_anywhere(folder, capsys):
    path = entry(folder)
    whole = path.read_bytes()
    path.unlink()
    for end in range(0, len(whole), 40):
        (folder / "dvc.lock").unlink()
        path.with_name(".PiR3.tmp").write_bytes(whole[:end])
        repair()
        assert "half-written of 1 entries" in capsys.readouterr().out
        assert reproduce() == ["one"]
        assert entry(folder).read_bytes() == whole
        entry(folder).unlink()


def test_a_whole_entry_beside_one_that_is_cut_off_stays(folder):
    unfinished = entry(folder).with_name(".PiR3.tmp")
    unfinished.touch()
    repair()
    assert not unfinished.exists()
    assert entry(folder)


def test_an_entry_that_was_not_begun_is_no_obstacle(folder):
    entry(folder).unlink()
    (folder / "dvc.lock").unlink()
    repair()
    assert reproduce() == ["one"]


def test_a_list_of_locks_that_is_cut_off_is_put_aside(folder):
    (folder / ".dvc/tmp").mkdir(exist_ok=True)
    (folder / ".dvc/tmp/rwlock").write_text('{"read": {"a')
    repair()
    assert not (folder / ".dvc/tmp/rwlock").exists()


def hold(folder, process):
    """As another run does that is at work on a file."""
    held = {"pid": process, "cmd": "other repro"}
    (folder / ".dvc/tmp/rwlock").write_text(json.dumps({"read": {"in": [held]}, "write": {"o": held}}))


@pytest.mark.slow
def test_what_a_killed_run_leaves_is_waited_for(folder):
    other = subprocess.Popen(["sleep", "1"])
    hold(folder, other.pid)
    ended = threading.Thread(target=other.wait)
    ended.start()  # else it stays a zombie, which still has a number
    wait_for_others(60)
    assert other.returncode == 0
    assert reproduce() == []


def test_another_run_is_waited_for_and_then_named(folder):
    other = subprocess.Popen(["sleep", "60"])
    hold(folder, other.pid)
    said = rf"^another run is at work here \(process {other.pid}: other repro\); run again"
    with pytest.raises(UserError, match=said):
        wait_for_others(0.1)
    other.kill()
    other.wait()
    wait_for_others(0)


def test_a_dvc_without_these_parts_is_left_to_itself(folder, monkeypatch):
    (folder / "dvc.lock").write_text("")
    monkeypatch.delattr("dvc.dvcfile.Lockfile")
    module.repair()
    assert (folder / "dvc.lock").exists()


@pytest.mark.parametrize("held", ["{}", '{"read": {}}', '{"write": {}}', "[]", '{"read": {"in": [{}]}}'])
def test_a_list_of_locks_without_any_holds_nothing_up(folder, held):
    """DVC leaves `{}` when a run has ended."""
    (folder / ".dvc/tmp/rwlock").write_text(held)
    wait_for_others(0)
