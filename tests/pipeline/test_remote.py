"""Cells on the machines of a real Dask and a real Ray cluster: the results, what is said, and who ends when."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from hosts import two_hosts
from pipeline.repository import ROOT
from pipeline.test_grid import CELLS, PIPELINE, locked

from minimoe.pipeline import there
from minimoe.system import machine

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="elsewhere DVC starts every stage itself, here"),
]
GONE_SECONDS = 15  # in which a cell ends that nobody waits for
STAGE = """
import json, os, sys, time
from pathlib import Path
from minimoe.system.errors import UserError
from stages import run

def main():
    model, task = sys.argv[1:]
    seen = {"cell": f"{model} {task}", "pid": os.getpid(), "worker": os.getppid(), "stage": os.environ["DVC_STAGE"]}
    with open("log", "a") as log:
        log.write(json.dumps(seen) + "\\n")
    print(f"begun\\r {task} half done\\r", end="", flush=True)
    if Path(f"fail-{task}").exists():
        raise UserError("data/x: wrong")
    try:
        while Path(f"hang-{task}").exists():
            time.sleep(0.05)
    except KeyboardInterrupt:
        Path("closed").touch()
        raise
    Path(f"out/{model}").mkdir(parents=True, exist_ok=True)
    Path(f"out/{model}/{task}").write_text(model + task)
    print(f"the end of {model} {task}")

if __name__ == "__main__":
    run(main)
"""
RUN = """
import sys
from types import SimpleNamespace
from minimoe.pipeline import grid, repro
from minimoe.system.errors import exit_cleanly

def nothing():
    pass

if __name__ == "__main__":
    given = dict(word.split("=", 1) for word in sys.argv[1:] if "=" in word)
    names = [word for word in sys.argv[1:] if "=" not in word]
    defaults = {"workers": 1, "backend": "loky", "scheduler": "", "cell_launcher": "python"}
    settings = SimpleNamespace(**defaults | {"device": "cpu", "cells_per_gpu": 2} | given)
    settings.workers = int(settings.workers)
    workers, start = repro.where(settings, 1)
    exit_cleanly(lambda: grid.run(names, workers, nothing, start))
"""
RAY = """
import signal, sys, time
from ray.cluster_utils import Cluster
cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 2, "num_gpus": 1, "include_dashboard": False})
cluster.add_node(num_cpus=2, num_gpus=1)
cluster.wait_for_nodes()
print(cluster.address, flush=True)
signal.signal(signal.SIGTERM, lambda *_: sys.exit())
try:
    while True:
        time.sleep(0.1)
finally:
    cluster.shutdown()
"""


class Cluster:
    """Two processes that work, with a GPU each; processes of a session of their own, elsewhere on this machine."""

    def __init__(self, backend: str, folder: Path):
        self.backend, self.folder, self.started = backend, folder, []
        self.address = {"dask": self._dask, "ray": self._ray}[backend]()

    def _dask(self) -> str:
        file = self.folder / "scheduler.json"
        self._start("-m", "distributed.cli.dask_scheduler", "--port", "0", "--no-dashboard", "--scheduler-file", file)
        for _ in range(2):
            self.add()
        wait_for(file.exists)
        time.sleep(0.2)
        return json.loads(file.read_text())["address"]

    def add(self) -> None:
        """One more worker, where that is for the test to do."""
        options = ["--no-nanny", "--nthreads", "2", "--resources", "GPU=1", "--no-dashboard", "--death-timeout", "60"]
        self._start("-m", "distributed.cli.dask_worker", "--scheduler-file", self.folder / "scheduler.json", *options)

    def _ray(self) -> str:
        pytest.importorskip("ray", reason="pip install 'minimoe[ray]'")
        process = self._start("-c", RAY, stdout=subprocess.PIPE, text=True)
        return process.stdout.readline().strip()

    def _start(self, *arguments, **streams) -> subprocess.Popen:
        command = [sys.executable, *map(str, arguments)]
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL} | streams
        process = subprocess.Popen(command, cwd=self.folder, env=environment(), start_new_session=True, **quiet)
        self.started.append(process)
        return process

    def end(self) -> None:
        for process in reversed(self.started):
            process.terminate()
        for process in self.started:
            try:
                process.wait(timeout=15)
            except subprocess.TimeoutExpired:  # a worker of Dask that has lost a client may wait for ever as it closes
                process.kill()
                process.wait()


def environment() -> dict[str, str]:
    """As on a machine where the project is installed."""
    quiet = {"RAY_DEDUP_LOGS": "0", "RAY_USAGE_STATS_ENABLED": "0"}
    return os.environ | quiet | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}


@pytest.fixture(scope="module", params=["dask", "ray"])
def cluster(request, tmp_path_factory):
    made = Cluster(request.param, tmp_path_factory.mktemp("elsewhere"))
    yield made
    made.end()


@pytest.fixture
def folder(tmp_path):
    from dvc.repo import Repo

    Repo.init(str(tmp_path), no_scm=True).close()
    (tmp_path / "dvc.yaml").write_text(PIPELINE)
    (tmp_path / "stages").mkdir()
    shutil.copy(ROOT / "stages" / "__init__.py", tmp_path / "stages")
    (tmp_path / "stages" / "cell.py").write_text(STAGE)
    (tmp_path / "run.py").write_text(RUN)
    return tmp_path


def start(folder: Path, cluster: Cluster | None, *words: str) -> subprocess.Popen:
    where = [f"backend={cluster.backend}", f"scheduler={cluster.address}"] if cluster else []
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    command = [sys.executable, "run.py", *where, *(words or CELLS)]
    return subprocess.Popen(command, cwd=folder, env=environment(), start_new_session=True, **streams)


def finish(process: subprocess.Popen) -> tuple[int, str]:
    output, _ = process.communicate(timeout=100)
    return process.returncode, output


def wait_for(condition) -> None:
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


def begun(folder: Path) -> list[dict]:
    """What the cells that were begun have noted, one line for each try."""
    log = folder / "log"
    return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []


def test_cells_run_over_there_and_dvc_here(cluster, folder):
    for task in "xy":
        (folder / f"hang-{task}").touch()
    process = start(folder, cluster)
    wait_for(lambda: len(begun(folder)) == 4)  # two cells on each of two GPUs
    ours = {child.pid for child in psutil.Process(process.pid).children(recursive=True)}
    assert not ours & {pid for one in begun(folder) for pid in (one["pid"], one["worker"])}
    for task in "xy":
        (folder / f"hang-{task}").unlink()
    code, output = finish(process)
    assert code == 0, output
    assert sorted(one["stage"] for one in begun(folder)) == sorted(CELLS)
    for model in ("teacher", "base/a"):
        said = [line for line in output.splitlines() if line.startswith(f"cell {model} y: ")]
        assert [line.split(": ", 1)[1].strip() for line in said[1:]] == [
            "begun", "y half done", f"the end of {model} y",
        ], output  # fmt: skip
        assert said[0].startswith(f"cell {model} y: on ")
    made = locked(folder)
    (folder / "dvc.lock").unlink()
    subprocess.run([sys.executable, "-m", "dvc", "commit", "-f", "-q", *CELLS], cwd=folder, check=True)
    assert locked(folder) == made


def test_a_cell_that_fails_by_itself_is_not_tried_again(cluster, folder):
    (folder / "fail-x").touch()
    code, output = finish(start(folder, cluster))
    assert code == 1
    assert len(begun(folder)) == 4
    for model, cell in (("teacher", CELLS[0]), ("base/a", CELLS[2])):
        assert f"cell {model} x: error: data/x: wrong" in output
        assert f"error: {cell}: failed to run: python -m stages.cell" in output
    assert "Traceback" not in output
    assert sorted(locked(folder)) == sorted([CELLS[1], CELLS[3]])


def test_a_cell_that_is_killed_is_tried_again_but_not_for_ever(cluster, folder):
    (folder / "hang-y").touch()
    process = start(folder, cluster, CELLS[1])
    for number in range(1, 4):
        wait_for(lambda number=number: len(begun(folder)) == number)
        os.kill(begun(folder)[-1]["pid"], signal.SIGKILL)
    code, output = finish(process)
    assert code == 1
    assert "try 3 of 3 was lost: its process was told to end or killed (code -9)" in output
    assert "error: cell teacher y: lost 3 times" in output and "Traceback" not in output


def test_the_cell_of_a_worker_that_is_lost_is_done_by_another(cluster, folder):
    (folder / "hang-y").touch()
    process = start(folder, cluster, CELLS[1])
    wait_for(lambda: begun(folder))
    lost = begun(folder)[0]
    os.kill(lost["worker"], signal.SIGKILL)
    wait_for(lambda: len(begun(folder)) == 2)
    psutil.wait_procs([p for p in psutil.process_iter() if p.pid == lost["pid"]], timeout=GONE_SECONDS)
    assert not psutil.pid_exists(lost["pid"])  # it has ended by itself
    (folder / "hang-y").unlink()
    code, output = finish(process)
    if cluster.backend == "dask":
        cluster.add()
    assert code == 0, output
    assert begun(folder)[1]["worker"] != lost["worker"]
    assert list(locked(folder)) == [CELLS[1]]


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_nothing_over_there_outlives_its_run(cluster, folder, sent):
    (folder / "hang-y").touch()
    process = start(folder, cluster, CELLS[1], CELLS[3])
    wait_for(lambda: len(begun(folder)) == 2)
    process.send_signal(sent)
    over = time.monotonic() + GONE_SECONDS
    while any(psutil.pid_exists(one["pid"]) for one in begun(folder)):
        assert time.monotonic() < over
        time.sleep(0.05)
    code, output = finish(process)
    assert code and "Traceback" not in output, output
    assert (folder / "closed").exists() and len(begun(folder)) == 2


def test_the_cell_of_a_host_that_is_cut_off_is_done_by_another(folder, tmp_path_factory):
    quick = environment() | {"DASK_DISTRIBUTED__COMM__TIMEOUTS__TCP": "12s"}
    common = {"cwd": tmp_path_factory.mktemp("elsewhere"), "env": quick, "stderr": subprocess.DEVNULL}
    with two_hosts() as (one, two):
        address = f"tcp://{one.address}:8786"
        options = [address, "--no-nanny", "--nthreads", "1", "--no-dashboard", "--death-timeout", "20"]
        dask = [sys.executable, "-m", "distributed.cli.dask_scheduler", "--port", "8786", "--no-dashboard"]
        worker = [sys.executable, "-m", "distributed.cli.dask_worker", *options]
        started = [subprocess.Popen(one.command(*dask), **common)]
        (folder / "hang-y").touch()
        try:
            started.append(subprocess.Popen(two.command(*worker), **common))
            words = ["backend=dask", f"scheduler={address}", CELLS[1]]
            process = subprocess.Popen(
                one.command(sys.executable, "run.py", *words), cwd=folder, env=quick, text=True,
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            )  # fmt: skip
            wait_for(lambda: begun(folder))
            started.append(subprocess.Popen(one.command(*worker), **common))
            two.cut()
            wait_for(lambda: len(begun(folder)) == 2)
            assert not psutil.pid_exists(begun(folder)[0]["pid"])
            (folder / "hang-y").unlink()
            code, output = finish(process)
        finally:
            for other in started:
                other.kill()
    assert code == 0, output
    hosts = [line.rpartition(" ")[2] for line in output.splitlines() if line.startswith("cell teacher y: on ")]
    assert hosts == [two.name, one.name] and list(locked(folder)) == [CELLS[1]]


def test_a_cell_started_by_a_launcher_is_tried_again_when_it_is_killed(folder):
    """As srun, which ends with 128 and the signal's number."""
    srun = folder / "srun"
    srun.write_text('#!/bin/sh\necho "$@" >> steps\nshift\n"$@"\nexit $?\n')
    srun.chmod(0o755)
    (folder / "hang-y").touch()
    process = start(folder, None, f"cell_launcher={srun} -n1 {sys.executable}", "workers=2", CELLS[0], CELLS[1])
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
    process = start(folder, None, f"cell_launcher={sys.executable} -u", CELLS[1])
    wait_for(lambda: begun(folder))
    process.send_signal(sent)
    code, output = finish(process)
    wait_for(lambda: not psutil.pid_exists(begun(folder)[0]["pid"]))
    assert code and "Traceback" not in output and "was lost" not in output, output
    assert (folder / "closed").exists() and len(begun(folder)) == 1


def test_cells_in_one_process_of_a_cluster_take_the_gpu_with_fewest(monkeypatch):
    monkeypatch.setattr(machine, "gpus", lambda: ["3", "5"])
    with there._gpu("auto") as one, there._gpu("cuda") as two, there._gpu("auto") as three:
        assert [one, two, three] == [{machine.VISIBLE: name} for name in "353"]
    with there._gpu("auto") as again, there._gpu("cpu") as none:
        assert (again, none) == ({machine.VISIBLE: "3"}, {})


def test_a_cluster_that_is_not_there_is_one_line(folder):
    impatient = "from minimoe.system import clusters\nclusters.WAIT_SECONDS = 1\n"
    (folder / "run.py").write_text(RUN.replace("def nothing", f"{impatient}\ndef nothing"))
    process = start(folder, None, "backend=dask", "scheduler=tcp://127.0.0.1:9", CELLS[0])
    code, output = finish(process)
    assert code == 1 and "Traceback" not in output, output
    assert "error: runtime.scheduler: no Dask cluster with a worker at 'tcp://127.0.0.1:9'" in output
