"""A small pipeline whose cells are done elsewhere: on a cluster, or by a launcher."""

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

from pipeline.repository import ROOT
from pipeline.test_grid import PIPELINE

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
from functools import partial
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
    exit_cleanly(lambda: grid.run([grid.Wave(partial(grid.apart, names), workers, start)], nothing))
"""


def environment() -> dict[str, str]:
    """As on a machine where the project is installed."""
    quiet = {"RAY_DEDUP_LOGS": "0", "RAY_USAGE_STATS_ENABLED": "0"}
    return os.environ | quiet | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}


def folder_of(tmp_path: Path) -> Path:
    """A folder with a pipeline of cells, and a script that has them done elsewhere."""
    from dvc.repo import Repo

    Repo.init(str(tmp_path), no_scm=True).close()
    (tmp_path / "dvc.yaml").write_text(PIPELINE)
    (tmp_path / "stages").mkdir()
    shutil.copy(ROOT / "stages" / "__init__.py", tmp_path / "stages")
    (tmp_path / "stages" / "cell.py").write_text(STAGE)
    (tmp_path / "run.py").write_text(RUN)
    return tmp_path


def start(folder: Path, *words: str) -> subprocess.Popen:
    """Have cells done; words with = are settings of `runtime`, the others names of cells."""
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    command = [sys.executable, "run.py", *words]
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
