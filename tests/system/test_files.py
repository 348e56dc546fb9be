import signal
import subprocess
import sys

import pytest

from minimoe.system.files import whole_file, whole_folder, write_json


def test_a_folder_is_whole_or_as_it_was(tmp_path):
    out = tmp_path / "out"
    with whole_folder(out) as folder:
        (folder / "a").write_text("first")
    with pytest.raises(RuntimeError), whole_folder(out) as folder:
        (folder / "a").write_text("second")
        raise RuntimeError
    assert (out / "a").read_text() == "first"
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_file_is_whole_or_as_it_was(tmp_path):
    out = tmp_path / "new" / "out.txt"
    with whole_file(out) as path:
        path.write_text("first")
    with pytest.raises(RuntimeError), whole_file(out) as path:
        path.write_text("second")
        raise RuntimeError
    assert out.read_text() == "first"
    assert [path.name for path in out.parent.iterdir()] == ["out.txt"]


def test_json_refuses_what_is_no_number(tmp_path):
    with pytest.raises(ValueError):
        write_json(tmp_path / "out.json", {"loss": float("nan")})
    assert not list(tmp_path.iterdir())


KILLED = """
import os, signal, sys
from minimoe.system.files import whole_folder
with whole_folder(sys.argv[1]) as folder:
    (folder / "a").write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_a_killed_process_left_is_deleted_by_the_next(tmp_path):
    out = tmp_path / "out"
    assert subprocess.run([sys.executable, "-c", KILLED, out]).returncode == -signal.SIGKILL
    [left] = tmp_path.iterdir()
    with whole_folder(out) as first:
        assert not left.exists()
        (first / "a").write_text("first")
        with whole_folder(out) as second:  # what another process is writing stays
            assert first.exists()
            (second / "a").write_text("second")
        assert (out / "a").read_text() == "second"
    assert (out / "a").read_text() == "first"
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_folder_takes_the_place_of_a_file(tmp_path):
    (tmp_path / "out").write_text("a file")
    with whole_folder(tmp_path / "out") as folder:
        (folder / "a").write_text("first")
    assert (tmp_path / "out/a").read_text() == "first"
