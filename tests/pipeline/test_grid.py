"""Stages side by side, with stages that take no time: each test is a small DVC repository of its own."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from minimoe.system.errors import INTERRUPTED

PIPELINE = """
stages:
  cell:
    matrix:
      model: [teacher, base/a]
      task: [x, y]
    cmd: python -m stages.cell ${item.model} ${item.task}
    deps:
      - stages/cell.py
    outs:
      - out/${item.model}/${item.task}
  shell:
    cmd: mkdir -p out; echo made > out/shell
    outs:
      - out/shell
"""
STAGE = """
import json, os, sys, time
from pathlib import Path
from minimoe.system.errors import exit_cleanly

if os.environ.get("HANG") == "import":
    Path("hanging").write_text(str(os.getpid()))
    time.sleep(60)

def stage_name(model):
    return model.replace("/", "_")

def main():
    model, task = sys.argv[1:]
    with open("log", "a") as log:
        log.write(f"{model} {task}\\n")
    if os.environ.get("FAIL") == task:
        sys.exit(3)
    try:
        if os.environ.get("HANG") == task:
            Path("hanging").write_text(str(os.getpid()))
            time.sleep(60)
    except KeyboardInterrupt:
        Path("closed").write_text("")
        raise
    seen = {"stage": os.environ["DVC_STAGE"], "prepared": "colorsys" in sys.modules, "folder": os.getcwd()}
    seen |= {"gpu": os.environ.get("CUDA_VISIBLE_DEVICES"), "worker": os.getppid()}
    if model == "base/a" and task == "x" and Path("dvc.lock").exists():
        Path("seen").write_text(Path("dvc.lock").read_text())
    if task == "x":
        time.sleep(float(os.environ.get("SLOW", 0)))
    Path(f"out/{model}").mkdir(parents=True, exist_ok=True)
    Path(f"out/{model}/{task}").write_text(model + task)
    Path(f"{task}.json").write_text(json.dumps(seen))
    Path(f"{stage_name(model)}-{task}.json").write_text(json.dumps(seen))
    while len(list(Path().glob("*-*.json"))) < int(os.environ.get("TOGETHER", 0)):  # so that each has a worker
        time.sleep(0.01)

if __name__ == "__main__":
    exit_cleanly(main)
"""
RUN = """
import os, sys
from functools import partial
from importlib import import_module
from types import SimpleNamespace
from minimoe.pipeline import grid
from minimoe.pipeline.repro import side_by_side
from minimoe.system.errors import exit_cleanly

if __name__ == "__main__":
    library = os.environ.get("LIBRARY", "colorsys")
    runtime = SimpleNamespace(workers=int(sys.argv[1]), device=os.environ.get("DEVICE", "cpu"), cells_per_gpu=2)
    workers = partial(side_by_side, runtime, threads=1)
    wave = grid.Wave(partial(grid.apart, sys.argv[2:]), workers)
    exit_cleanly(lambda: grid.run([wave], partial(import_module, library)))
"""
# the forge runs a second wave, whose stages are known only when the first has made its own
WAVES = """
from functools import partial
from pathlib import Path
from minimoe.pipeline import grid
from minimoe.pipeline.progress import Progress
from minimoe.system.errors import exit_cleanly

def nothing():
    pass

def second():
    assert "teacher-x" in Path("seen").read_text(), "what follows in order finds dvc.lock up to date"
    return grid.apart(["cell@base/a-y"])

if __name__ == "__main__":
    first = ["cell@teacher-y", "cell@teacher-x", "cell@base/a-x"]
    waves = [grid.Wave(partial(grid.apart, first), ends=True), grid.Wave(second)]
    exit_cleanly(lambda: grid.run(waves, nothing, Progress(set(first), partial(set, first))))
"""
# teacher-y and base/a-y side by side, then teacher-x, then base/a-x; two workers
DEPENDENT = """
from functools import partial
from minimoe.pipeline import grid
from minimoe.system.errors import exit_cleanly

def nothing():
    pass

def stages():
    ready = {"cell@base/a-x": {"cell@teacher-x"}, "cell@teacher-x": {"cell@teacher-y"}}
    return ready | {"cell@base/a-y": set(), "cell@teacher-y": set()}

if __name__ == "__main__":
    wave = grid.Wave(stages, partial(list, [{}, {}]), ends=True)
    second = grid.Wave(partial(grid.apart, ["shell"]))
    exit_cleanly(lambda: grid.run([wave, second], nothing))
"""
# what is stale takes a while to find out
LOOKING = """
import os, time
from pathlib import Path
from minimoe.pipeline import grid
from minimoe.system.errors import exit_cleanly

def nothing():
    pass

def stages():
    Path("hanging").write_text(str(os.getpid()))
    time.sleep(60)

if __name__ == "__main__":
    exit_cleanly(lambda: grid.run([grid.Wave(stages)], nothing))
"""
# the forge must not call this itself: it initialises a GPU, and no process can use one that is forked afterwards
GPUS = """
import os
import torch

def device_count():
    global counted
    counted = True
    return 2

torch.cuda.device_count, counted = device_count, False
os.register_at_fork(before=lambda: counted and print("forked with a GPU"))
"""
CELLS = [f"cell@{model}-{task}" for model in ("teacher", "base/a") for task in "xy"]


@pytest.fixture
def folder(tmp_path):
    from dvc.repo import Repo

    Repo.init(str(tmp_path), no_scm=True).close()
    (tmp_path / "dvc.yaml").write_text(PIPELINE)
    (tmp_path / "stages").mkdir()
    (tmp_path / "stages" / "__init__.py").touch()
    (tmp_path / "stages" / "cell.py").write_text(STAGE)
    (tmp_path / "run.py").write_text(RUN)
    return tmp_path


def start(folder: Path, *cells: str, workers: int = 2, **environment: str) -> subprocess.Popen:
    command = [sys.executable, "run.py", str(workers), *(cells or CELLS)]
    everything = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"} | environment
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    return subprocess.Popen(command, cwd=folder, env=everything, start_new_session=True, **streams)


def finish(process: subprocess.Popen) -> tuple[int, str]:
    """Exit code and output; the output ends when the last process of the group has gone."""
    output, _ = process.communicate(timeout=50)
    return process.returncode, output


def until_it_hangs(folder: Path) -> int:
    """The process of the cell that waits to be ended."""
    for _ in range(3000):
        if (folder / "hanging").exists() and (number := (folder / "hanging").read_text()):
            return int(number)
        time.sleep(0.01)
    raise TimeoutError


def locked(folder: Path) -> dict:
    return yaml.safe_load((folder / "dvc.lock").read_text())["stages"]


@pytest.mark.slow
def test_every_stage_runs_once_as_under_dvc(folder):
    code, output = finish(start(folder, *CELLS, "shell"))
    assert code == 0, output
    assert sorted((folder / "log").read_text().split("\n")[:-1]) == ["base/a x", "base/a y", "teacher x", "teacher y"]
    assert [output.count(f"Running stage '{name}'") for name in (*CELLS, "shell")] == [1] * 5
    assert (folder / "out" / "shell").read_text() == "made\n"
    seen = json.loads((folder / "x.json").read_text())
    assert seen["stage"].endswith("-x") and seen["prepared"] and Path(seen["folder"]) == folder.resolve()
    ours = locked(folder)
    (folder / "dvc.lock").unlink()
    subprocess.run([sys.executable, "-m", "dvc", "commit", "-f", "-q"], cwd=folder, check=True)
    assert locked(folder) == ours


@pytest.mark.slow
def test_two_folders_do_not_meet(folder, tmp_path_factory):
    other = Path(shutil.copytree(folder, tmp_path_factory.mktemp("other") / "folder"))
    one, two = start(folder, SLOW="0.3"), start(other, FAIL="y")
    assert (finish(one)[0], finish(two)[0]) == (0, 1)
    assert sorted(locked(folder)) == sorted(CELLS)
    assert sorted(locked(other)) == sorted([CELLS[0], CELLS[2]])


@pytest.mark.slow
def test_what_is_up_to_date_does_not_run(folder):
    assert finish(start(folder, CELLS[0], workers=1))[0] == 0
    assert finish(start(folder))[0] == 0
    assert (folder / "log").read_text().count("teacher x") == 1


@pytest.mark.slow
def test_a_stage_that_fails_is_named_and_stops_no_other(folder):
    code, output = finish(start(folder, FAIL="x", workers=1))
    assert code == 1
    for name in (CELLS[0], CELLS[2]):
        assert f"error: {name}: failed to run: python -m stages.cell" in output
    assert "exited with 3" in output
    assert output.splitlines()[-1].startswith("error: a stage failed")
    assert sorted(locked(folder)) == sorted([CELLS[1], CELLS[3]])


@pytest.mark.slow
def test_in_order_a_stage_that_fails_ends_its_wave_and_the_next_never_begins(folder):
    (folder / "run.py").write_text(WAVES)
    code, output = finish(start(folder, FAIL="x", workers=1))
    assert code == 1
    assert (folder / "log").read_text() == "teacher y\nteacher x\n"
    assert list(locked(folder)) == [CELLS[1]]
    assert "1 of 3 stages, 0:0" in output
    code, output = finish(start(folder, workers=1))
    assert code == 0
    assert sorted(locked(folder)) == sorted(CELLS)
    assert "3 of 3 stages, 0:0" in output


@pytest.mark.slow
def test_stages_of_a_wave_run_side_by_side_each_after_those_that_it_needs(folder):
    (folder / "run.py").write_text(DEPENDENT)
    code, output = finish(start(folder, TOGETHER="2"))
    assert code == 0, output
    log = (folder / "log").read_text().splitlines()
    assert sorted(log[:2]) == ["base/a y", "teacher y"] and log[2:] == ["teacher x", "base/a x"]
    assert "teacher-x" in (folder / "seen").read_text(), "dvc.lock says what the stages before have made"
    assert len({json.loads(path.read_text())["worker"] for path in folder.glob("*-*.json")}) > 1
    assert sorted(locked(folder)) == sorted([*CELLS, "shell"])


@pytest.mark.slow
def test_what_needs_a_stage_that_fails_is_not_begun_nor_waited_for(folder):
    (folder / "run.py").write_text(DEPENDENT)
    code, output = finish(start(folder, FAIL="x", SLOW="1"))
    assert code == 1
    assert output.splitlines()[-1].startswith("error: a stage failed")
    assert sorted((folder / "log").read_text().splitlines()) == ["base/a y", "teacher x", "teacher y"]
    assert sorted(locked(folder)) == [CELLS[3], CELLS[1]]


def test_what_keeps_all_from_starting_is_one_line(folder):
    broken = "from minimoe.system.errors import UserError\nraise UserError('params.yaml: wrong')"
    (folder / "stages" / "broken.py").write_text(broken)
    code, output = finish(start(folder, LIBRARY="stages.broken"))
    assert code == 1
    assert [line[:25] for line in output.splitlines()] == ["error: params.yaml: wrong", "error: a stage failed; se"]


@pytest.mark.slow
@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGKILL])
def test_nothing_outlives_the_parent_and_what_was_done_stays_done(folder, sent):
    process = start(folder, HANG="y", workers=1)
    until_it_hangs(folder)
    process.send_signal(sent)
    assert finish(process)[0] != 0
    assert (folder / "closed").exists()
    assert list(locked(folder)) == [CELLS[0]]


@pytest.mark.slow
@pytest.mark.parametrize("script", [RUN, LOOKING], ids=["a stage's imports", "a look at what is stale"])
def test_an_interrupt_is_one_line_wherever_it_comes(folder, script):
    (folder / "run.py").write_text(script)
    process = start(folder, HANG="import", workers=1)
    until_it_hangs(folder)
    process.terminate()
    code, output = finish(process)
    assert code == INTERRUPTED and "interrupted" in output
    assert "Traceback" not in output


@pytest.mark.slow
@pytest.mark.parametrize("generations", [1, 2])  # a worker, the forge
def test_a_process_that_is_killed_ends_all_others(folder, generations):
    process = start(folder, HANG="y", workers=1)
    ancestor = until_it_hangs(folder)
    for _ in range(generations):
        ancestor = int(Path(f"/proc/{ancestor}/stat").read_text().rpartition(")")[2].split()[1])
    os.kill(ancestor, signal.SIGKILL)
    code, output = finish(process)
    assert code == 1
    assert "error: a stage failed" in output
    assert (folder / "closed").exists()


@pytest.mark.slow
def test_a_stage_that_is_killed_is_an_error(folder):
    process = start(folder, HANG="y", workers=1)
    os.kill(until_it_hangs(folder), signal.SIGKILL)
    (folder / "hanging").unlink()
    os.kill(until_it_hangs(folder), signal.SIGKILL)
    code, output = finish(process)
    assert code == 1
    assert "exited with -9" in output
    assert sorted(locked(folder)) == sorted([CELLS[0], CELLS[2]])


@pytest.mark.slow
@pytest.mark.parametrize(
    "gone",
    ["import dvc.stage.run; del dvc.stage.run.cmd_run", "import dvc.repo; dvc.repo.Repo.__init__ = lambda self: 0"],
)
def test_without_dvcs_own_parts_plain_dvc_runs_every_stage(folder, gone):
    (folder / "stages" / "gone.py").write_text(gone)
    code, output = finish(start(folder, LIBRARY="stages.gone", FAIL="x", workers=2))
    assert code == 1
    assert "every stage is run by `dvc repro`" in output
    assert output.splitlines()[-1].startswith("error: a stage failed")
    assert sorted(locked(folder)) == sorted([CELLS[1], CELLS[3]])
    assert not json.loads((folder / "y.json").read_text())["prepared"]


@pytest.mark.slow
@pytest.mark.parametrize("visible", [None, "5,GPU-abc"])
def test_every_worker_has_its_gpu_which_as_many_share_as_the_params_say(folder, visible):
    (folder / "stages" / "gpus.py").write_text(GPUS)
    own = {"CUDA_VISIBLE_DEVICES": visible} if visible else {}
    code, output = finish(start(folder, LIBRARY="stages.gpus", DEVICE="auto", TOGETHER="4", **own))
    assert code == 0 and "forked with a GPU" not in output, output
    seen = [json.loads(path.read_text()) for path in folder.glob("*-*.json")]
    assert len({one["worker"] for one in seen}) == 4
    first, second = visible.split(",") if visible else "01"
    assert sorted(one["gpu"] for one in seen) == [first, first, second, second]


@pytest.mark.slow
def test_without_a_gpu_workers_share_the_cores(folder):
    code, output = finish(start(folder, DEVICE="auto", TOGETHER="2", LIBRARY="torch", CUDA_VISIBLE_DEVICES=""))
    assert code == 0, output
    seen = [json.loads(path.read_text()) for path in folder.glob("*-*.json")]
    assert len({one["worker"] for one in seen}) == 2 and {one["gpu"] for one in seen} == {""}
