"""A stage as several processes: it is started once, says once what went wrong, and leaves nobody behind."""

import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from torch.distributed.launcher.api import LaunchConfig

from minimoe.system import launch as launch_module
from minimoe.system.errors import UserError
from minimoe.system.launch import arguments, launch

SCRIPT = Path(__file__).with_name("launched.py")
RANKS = shlex.join([sys.executable, str(SCRIPT), "--ranks"])
SOURCES = os.pathsep.join([str(SCRIPT.parent), str(SCRIPT.parents[1] / "src")])


@pytest.fixture
def start(tmp_path):
    def start(launcher: str, deed: str) -> subprocess.Popen:
        environment = {key: value for key, value in os.environ.items() if "RANK" not in key}
        return subprocess.Popen(
            [sys.executable, str(SCRIPT), launcher, deed],
            cwd=tmp_path, env=environment | {"PYTHONPATH": SOURCES}, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip

    return start


def started(folder: Path, deed: str, rank: int) -> int:
    """The process of this rank, once it is there."""
    path = folder / f"{deed}.{rank}"
    return int(wait_for(lambda: path.exists() and path.read_text()))


def wait_for(condition):
    end = time.monotonic() + 30
    while not (value := condition()):
        assert time.monotonic() < end
        time.sleep(0.02)
    return value


def is_gone(process: int) -> bool:
    status = Path(f"/proc/{process}/status")
    return not status.exists() or "State:\tZ" in status.read_text()


@pytest.mark.parametrize(("launcher", "there"), [("python", ["alone"]), (RANKS, ["0", "1"])])
def test_the_launcher_says_how_many_processes_do_the_stage(start, tmp_path, launcher, there):
    process = start(launcher, "well")
    assert process.communicate()[1] == "" and process.returncode == 0
    assert sorted(path.name for path in tmp_path.glob("well.*")) == [f"well.{rank}" for rank in there]
    assert not list(tmp_path.glob("work/*"))


@pytest.mark.parametrize(
    ("deed", "message"),
    [
        ("all refuse", "params.yaml: seed: expected a better one"),
        ("one refuses", "data/records: not on this machine"),
        ("one is killed", f"runtime.launcher: {sys.executable} ended with code 9; see its error above"),
    ],
)
def test_what_ends_a_process_is_said_once_and_last(start, tmp_path, deed, message):
    process = start(RANKS, deed)
    assert process.communicate()[1].splitlines() == ["a page of the launcher's own", f"error: {message}"]
    assert process.returncode == 1
    assert all(is_gone(int(path.read_text())) for path in tmp_path.glob(f"{deed}.*"))


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGINT])
def test_an_interrupt_ends_all(start, tmp_path, ending):
    process = start(RANKS, "wait")
    ranks = [started(tmp_path, "wait", rank) for rank in (0, 1)]
    process.send_signal(ending)
    assert process.communicate()[1] == "interrupted\n"
    assert process.returncode == 130
    wait_for(lambda: all(map(is_gone, ranks)))


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process that its parent has ended")
def test_nobody_outlives_a_stage_that_is_killed(start, tmp_path):
    process = start(RANKS, "wait")
    ranks = [started(tmp_path, "wait", rank) for rank in (0, 1)]
    process.kill()
    process.communicate()
    wait_for(lambda: all(map(is_gone, ranks)))


def test_a_launcher_is_a_program_and_its_arguments(monkeypatch):
    monkeypatch.setenv("NODES", "2")
    program, *rest = arguments("torchrun --nnodes=$NODES --rdzv-conf='timeout=900, x=1'")
    assert Path(program) == Path(sys.executable).with_name("torchrun")  # this environment's, whatever PATH says
    assert rest == ["--nnodes=2", "--rdzv-conf=timeout=900, x=1"]


@pytest.mark.parametrize(
    ("launcher", "message"),
    [
        ("no-such-launcher --now", "runtime.launcher: no program 'no-such-launcher' here"),
        ("torchrun --nnodes=$NO_NODES", "runtime.launcher: no variable NO_NODES in the environment"),
    ],
)
def test_a_launcher_that_cannot_be_started_is_named(monkeypatch, tmp_path, launcher, message):
    monkeypatch.chdir(tmp_path)
    for name in ("LOCAL_RANK", launch_module.FAILURE, "NO_NODES"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(UserError) as refused:
        launch(launcher, "stages.distill")
    assert message in str(refused.value)


@pytest.mark.parametrize(("own", "given"), [(None, "300"), ("7", "7")])
def test_torchruns_processes_have_time_to_save(start, monkeypatch, own, given):
    monkeypatch.delenv(launch_module.GRACE, raising=False)
    if own:
        monkeypatch.setenv(launch_module.GRACE, own)
    tells = [sys.executable, "-c", "import os, sys; sys.stderr.write(os.environ[sys.argv[1]])", launch_module.GRACE]
    process = start(shlex.join(tells), "well")
    assert process.communicate()[1] == given and process.returncode == 0
    monkeypatch.setenv(launch_module.GRACE, given)
    nodes = LaunchConfig(min_nodes=1, max_nodes=1, nproc_per_node=1)
    assert nodes.shutdown_timeout == int(given)
