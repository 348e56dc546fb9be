"""Every key of params.yaml with wrong values, and whole files that are none: each is one line that names the place."""

import errno
import importlib
import os
import re

import pytest
from bad.values import DISAGREE, EVERY_KEY, FILES, NAMES, bomb
from bad.world import GONE, SAMPLE, dumped, edited, run

from minimoe.system.errors import UserError

load = importlib.import_module("minimoe.params.load")  # the package's name for its function hides it


def refusal(content: bytes, root) -> str:
    """The line with which a stage ends on a params.yaml of this content."""
    (root / "params.yaml").write_bytes(content)
    code, out, errors = run("settings", root)
    assert code == 1 and not out
    assert errors.startswith("error: params.yaml: ") and len(errors.splitlines()) == 1
    assert {path.name for path in root.iterdir()} <= {"params.yaml", "work"}  # the latter has the stage's lock
    return errors


def edit(edits: dict) -> bytes:
    return dumped(edited(edits, SAMPLE)).encode()


@pytest.mark.slow
@pytest.mark.parametrize(("key", "value", "place"), EVERY_KEY, ids=lambda part: "gone" if part is GONE else None)
def test_a_key_with_a_wrong_value(tmp_path, key, value, place):
    line = refusal(edit({key: value}), tmp_path)
    assert re.search(rf"[ ;]{re.escape(place)}", line)
    assert any(word in line for word in ("expected", "missing", "unknown key"))


@pytest.mark.slow
@pytest.mark.parametrize(("edits", "place"), NAMES)
def test_a_name_that_would_leave_its_folder_or_command(tmp_path, edits, place):
    line = refusal(edit(edits), tmp_path)
    assert f" {place}" in line and ": expected " in line


@pytest.mark.slow
@pytest.mark.parametrize(("edits", "message"), DISAGREE)
def test_values_that_disagree(tmp_path, edits, message):
    assert message in refusal(edit(edits), tmp_path)


def loop(path):
    path.symlink_to(path.name)


@pytest.mark.parametrize("made", [os.mkdir, os.mkfifo, loop], ids=["folder", "pipe", "loop"])
def test_no_file(tmp_path, made):
    made(tmp_path / "params.yaml")
    code, _, errors = run("names", tmp_path)
    assert code == 1 and errors.startswith("error: params.yaml: ") and len(errors.splitlines()) == 1
    assert "expected a file that can be read" in errors or "no such file" in errors


def test_a_file_that_may_not_be_read(tmp_path, monkeypatch):
    """As root, who runs some of these tests, may read everything, the refusal is made up."""

    def refuse(*_arguments):
        raise PermissionError(errno.EACCES, "Permission denied", "params.yaml")

    (tmp_path / "params.yaml").write_text("seed: 1\n")
    monkeypatch.setattr(load, "_text", refuse)
    with pytest.raises(UserError, match="Permission denied; expected a file that can be read"):
        load.load(tmp_path / "params.yaml")


def test_an_alias_bomb_never_goes_off(tmp_path, monkeypatch):
    """Nothing is made of it, which would take hours."""
    made = []
    monkeypatch.setattr(load.YAML, "load", lambda *of: made.append(of))
    monkeypatch.setattr(load.Params, "model_validate", lambda *of: made.append(of))
    assert "aliases (*) counted as often as they stand" in refusal(bomb("[{}]"), tmp_path)
    assert not made


def test_a_number_of_layers_that_would_take_hours(tmp_path):
    assert "expected at most 1000" in refusal(edit({"rounds.base.students.minilm-2L-72H.layers": 10**6}), tmp_path)


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_is_none(tmp_path, name):
    content, message = FILES[name]
    assert re.search(message, refusal(content, tmp_path))
