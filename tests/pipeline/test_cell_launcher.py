"""Cells that a launcher starts, such as srun."""

import os
import signal
import sys

import psutil
import pytest
from pipeline.elsewhere import begun, finish, folder_of, start, wait_for
from pipeline.test_grid import CELLS

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="elsewhere DVC starts every stage itself, here"),
]


@pytest.fixture
def folder(tmp_path):
    return folder_of(tmp_path)


def test_a_cell_started_by_a_launcher_is_tried_again_when_it_is_killed(folder):
    """As srun, which ends with 128 and the signal's number."""
    srun = folder / "srun"
    srun.write_text('#!/bin/sh\necho "$@" >> steps\nshift\n"$@"\nexit $?\n')
    srun.chmod(0o755)
    (folder / "hang-y").touch()
    process = start(folder, f"cell_launcher={srun} -n1 {sys.executable}", "workers=2", CELLS[0], CELLS[1])
    wait_for(lambda: any(one["cell"].endswith("y") for one in begun(folder)))
    os.kill(next(one["pid"] for one in begun(folder) if one["cell"].endswith("y")), signal.SIGKILL)
    (folder / "hang-y").unlink()
    code, output = finish(process)
    assert code == 0, output
    assert "cell teacher y: try 1 of 3 was lost: its process was told to end or killed (code 137)" in output
    steps = (folder / "steps").read_text().splitlines()
    assert sorted(steps) == sorted(f"-n1 {sys.executable} -m stages.cell teacher {task}" for task in "xyy")


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_cell_started_by_a_launcher_does_not_outlive_its_run(folder, sent):
    (folder / "hang-y").touch()
    process = start(folder, f"cell_launcher={sys.executable} -u", CELLS[1])
    wait_for(lambda: begun(folder))
    process.send_signal(sent)
    code, output = finish(process)
    wait_for(lambda: not psutil.pid_exists(begun(folder)[0]["pid"]))
    assert code and "Traceback" not in output and "was lost" not in output, output
    assert (folder / "closed").exists() and len(begun(folder)) == 1
