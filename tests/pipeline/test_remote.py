"""Cells on the machines of a real Dask and a real Ray cluster: the results, what is said, and who ends when."""

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest
from hosts import two_hosts
from pipeline.elsewhere import RUN, begun, environment, finish, folder_of, start, wait_for
from pipeline.test_grid import CELLS, locked

from minimoe.pipeline import remote, there
from minimoe.system import machine
from minimoe.system.errors import UserError

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="elsewhere DVC starts every stage itself, here"),
]
GONE_SECONDS = 15  # in which a cell ends that nobody waits for
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
        address = {"dask": self._dask, "ray": self._ray}[backend]()
        self.words = [f"backend={backend}", f"scheduler={address}"]

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


@pytest.fixture(scope="module", params=["dask", "ray"])
def cluster(request, tmp_path_factory):
    made = Cluster(request.param, tmp_path_factory.mktemp("elsewhere"))
    yield made
    made.end()


@pytest.fixture
def folder(tmp_path):
    return folder_of(tmp_path)


def test_cells_run_over_there_and_dvc_here(cluster, folder):
    for task in "xy":
        (folder / f"hang-{task}").touch()
    process = start(folder, *cluster.words, *CELLS)
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
    code, output = finish(start(folder, *cluster.words, *CELLS))
    assert code == 1
    assert len(begun(folder)) == 4
    for model, cell in (("teacher", CELLS[0]), ("base/a", CELLS[2])):
        assert f"cell {model} x: error: data/x: wrong" in output
        assert f"error: {cell}: failed to run: python -m stages.cell" in output
    assert "Traceback" not in output
    assert sorted(locked(folder)) == sorted([CELLS[1], CELLS[3]])


def test_a_cell_that_is_killed_is_tried_again_but_not_for_ever(cluster, folder):
    (folder / "hang-y").touch()
    process = start(folder, *cluster.words, CELLS[1])
    for number in range(1, 4):
        wait_for(lambda number=number: len(begun(folder)) == number)
        os.kill(begun(folder)[-1]["pid"], signal.SIGKILL)
    code, output = finish(process)
    assert code == 1
    assert "try 3 of 3 was lost: its process was told to end or killed (code -9)" in output
    assert "error: cell teacher y: lost 3 times" in output and "Traceback" not in output


def test_the_cell_of_a_worker_that_is_lost_is_done_by_another(cluster, folder):
    (folder / "hang-y").touch()
    process = start(folder, *cluster.words, CELLS[1])
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
    process = start(folder, *cluster.words, CELLS[1], CELLS[3])
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


def test_cells_in_one_process_of_a_cluster_take_the_gpu_with_fewest(monkeypatch):
    monkeypatch.setattr(machine, "gpus", lambda: ["3", "5"])
    with there._gpu("auto") as one, there._gpu("cuda") as two, there._gpu("auto") as three:
        assert [one, two, three] == [{machine.VISIBLE: name} for name in "353"]
    with there._gpu("auto") as again, there._gpu("cpu") as none:
        assert (again, none) == ({machine.VISIBLE: "3"}, {})


def test_a_cluster_that_is_not_there_is_one_line(folder):
    impatient = "from minimoe.system import clusters\nclusters.WAIT_SECONDS = 1\n"
    (folder / "run.py").write_text(RUN.replace("def nothing", f"{impatient}\ndef nothing"))
    process = start(folder, "backend=dask", "scheduler=tcp://127.0.0.1:9", CELLS[0])
    code, output = finish(process)
    assert code == 1 and "Traceback" not in output, output
    assert "error: runtime.scheduler: no Dask cluster with a worker at 'tcp://127.0.0.1:9'" in output


@pytest.mark.parametrize(
    ("workers", "threads", "room"),
    [
        ([(4, 0), (4, 0)], 1, 8),
        ([(4, 0), (4, 0)], 2, 4),  # a cell computes on two cores
        ([(4, 1), (1, 1)], 2, 3),  # two on the first GPU; the other's process has one thread to wait in
        ([(1, 0)], 2, 0),
    ],
)
def test_a_dask_cluster_has_room_by_its_gpus_or_else_its_cores(monkeypatch, workers, threads, room):
    info = {
        n: {"nthreads": count, "resources": {"GPU": gpus} if gpus else {}} for n, (count, gpus) in enumerate(workers)
    }
    client = SimpleNamespace(scheduler_info=lambda n_workers: {"workers": info})
    monkeypatch.setattr(remote.clusters, "dask", lambda scheduler: nullcontext(client))
    settings = SimpleNamespace(backend="dask", scheduler="tcp://a:1", cells_per_gpu=2)
    if room:
        assert remote.cluster_workers(settings, threads) == [{}] * room
        return
    with pytest.raises(UserError, match="has no room for a single cell"):
        remote.cluster_workers(settings, threads)
