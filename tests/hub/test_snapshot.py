"""The real client against a hub on this machine: its layout, its breaks, and what is said of them."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from minimoe.hub.snapshot import snapshot
from minimoe.hub.transfer import ATTEMPTS
from minimoe.system.errors import UserError

NAME = "some/model"
FILES = {
    "config.json": b'{"model_type": "bert"}',
    "vocab.txt": b"[PAD]\n",
    "pytorch_model.bin": random.Random(0).randbytes(200_000),
}
WEIGHTS = "pytorch_model.bin"
CDN, CAS = "/cdn", "/cas/v1"


@pytest.fixture
def commit(hub):
    return hub.add("model", NAME, FILES)


def get(name=NAME, revision="main"):
    return snapshot("model", name, revision, ["*"], "teacher.hub")


def unfinished(folder):
    return list(Path(folder).rglob("*.incomplete"))


@pytest.mark.slow
def test_the_files_and_the_commit(hub, commit, tmp_path):
    folder, found = get()
    assert found == commit
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == FILES
    assert hub.asked(CAS) > 0 if hub.xet else hub.asked(CDN) > 0
    shared = folder.joinpath(WEIGHTS).resolve().parent.parent == tmp_path / "hf/hub/blobs"
    assert shared == hub.xet  # the layout that is read here is the client's own


@pytest.mark.slow
def test_a_flipped_bit_is_refused_and_the_remedy_works(hub, commit):
    hub.flipped = {WEIGHTS}
    with pytest.raises(UserError, match=rf"{WEIGHTS}: its sum is .*; delete (\S+) and run again") as error:
        get()
    hub.flipped = set()
    with pytest.raises(UserError, match="its sum is"):
        get()  # from the cache
    Path(str(error.value).split("; delete ")[1].split(" and run")[0]).unlink()
    assert get().folder.joinpath(WEIGHTS).read_bytes() == FILES[WEIGHTS]


def test_a_flipped_bit_in_a_small_file(plain_hub):
    plain_hub.add("model", NAME, FILES)
    plain_hub.flipped = {"config.json"}
    with pytest.raises(UserError, match=r"config\.json: its sum is"):
        get()


@pytest.mark.slow
@pytest.mark.parametrize("fault", [500, {"status": 429, "headers": {"Retry-After": "1"}}, {"reset": True}, {"send": 3}])
def test_one_break_of_the_api_is_got_over(plain_hub, fault, capsys, monkeypatch):
    plain_hub.add("model", NAME, FILES)
    plain_hub.faults = {"/api/models": [fault]}
    paused = []
    monkeypatch.setattr("minimoe.system.retry.time.sleep", paused.append)
    get()
    if "headers" in (fault if isinstance(fault, dict) else {}):
        assert paused == [1]  # as the server asked, not PAUSE
    assert "Traceback" not in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize("fault", [503, {"reset": True}, {"send": 1000}])
def test_breaks_of_a_file_are_got_over(hub, commit, fault, capfd):
    hub.faults = {CAS: [fault] * 2, CDN: [fault] * 2}
    assert get().folder.joinpath(WEIGHTS).read_bytes() == FILES[WEIGHTS]
    said = capfd.readouterr().err
    assert "Traceback" not in said and "force_download" not in said


@pytest.mark.slow
def test_where_xet_is_not_let_through_plain_http_is(hub, commit, capfd):
    hub.faults = {CAS: [{"reset": True}] * 1000}
    assert get().folder.joinpath(WEIGHTS).read_bytes() == FILES[WEIGHTS]


@pytest.mark.slow
@pytest.mark.parametrize("fault", [500, 429, {"reset": True}])
def test_breaks_without_end_are_one_line(plain_hub, fault, capfd):
    plain_hub.add("model", NAME, FILES)
    plain_hub.faults = {"/": [fault] * 1000}
    with pytest.raises(UserError, match=rf"^teacher\.hub: '{NAME}' at 'main' .* {ATTEMPTS} attempts") as error:
        get()
    assert "\n" not in str(error.value) and len(str(error.value)) < 600
    said = capfd.readouterr().err
    assert "Traceback" not in said and said.count("\n") == ATTEMPTS - 1
    assert not unfinished(os.environ["HF_HOME"])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "revision", "told"),
    [(NAME, "gone", "404"), ("some/other", "main", "401"), ("some/gated", "main", "403|restricted")],
)
def test_what_is_not_there_is_said_at_once(plain_hub, monkeypatch, name, revision, told, capfd):
    plain_hub.add("model", NAME, FILES)
    plain_hub.add("model", "some/gated", FILES)
    plain_hub.tokens = {"models/some/gated": "right"}
    if "gated" in name:
        monkeypatch.setenv("HF_TOKEN", "wrong")
    with pytest.raises(UserError, match=told) as error:
        get(name, revision)
    assert "attempts" not in str(error.value) and "\n" not in str(error.value)
    assert capfd.readouterr().err == ""


@pytest.mark.slow
def test_a_warm_cache_needs_no_network(plain_hub, monkeypatch):
    commit = plain_hub.add("model", NAME, FILES)
    get()
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert get().commit == commit
    with pytest.raises(UserError, match="cannot be downloaded"):
        get("some/other")


@pytest.mark.slow
def test_nothing_but_the_repository_is_asked_for(hub, commit):
    get()
    stray = [path for _, path in hub.requests if NAME not in path and not path.startswith((CDN, "/cas/v"))]
    assert not stray


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_stalled_transfer(hub, commit, number, tmp_path):
    hub.faults = {CAS: [{"stall": 60}] * 9, CDN: [{"stall": 60}] * 9}
    script = "from minimoe.system.errors import exit_cleanly; from minimoe.hub.snapshot import snapshot; exit_cleanly("
    script += f"lambda: snapshot('model', '{NAME}', 'main', ['*'], 'teacher.hub'))"
    process = subprocess.Popen([sys.executable, "-c", script], stderr=subprocess.PIPE, text=True)
    wait_until(lambda: hub.asked(CAS) + hub.asked(CDN))
    time.sleep(0.3)
    process.send_signal(number)
    _, said = process.communicate(timeout=50)  # less than the stall: the signal ends it
    assert (process.returncode, said) == (130, "interrupted\n")
    assert not unfinished(tmp_path)


def test_what_a_killed_process_left_is_deleted(plain_hub, tmp_path):
    plain_hub.add("model", NAME, FILES)
    blobs = tmp_path / "hf/hub/models--some--model/blobs"
    blobs.mkdir(parents=True)
    for name, age in (("old", 7200), ("new", 0)):
        path = blobs / f"{name}.incomplete"
        path.touch()
        os.utime(path, (time.time() - age,) * 2)
    get()
    assert [path.name for path in unfinished(tmp_path)] == ["new.incomplete"]


def wait_until(true):
    end = time.monotonic() + 60
    while not true():
        assert time.monotonic() < end
        time.sleep(0.05)
