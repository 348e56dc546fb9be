"""Starting: a stage's imports and MLflow run, a cell's in the grid, and the file that DVC reads for every stage."""

import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

from ruamel.yaml import YAML

from benchmarks.measure import Row, in_turn

PARAMS = Path(__file__).parents[1] / "profiles" / "sample.yaml"
ROUNDS = 3
SETTINGS = """
import sys, time
from types import SimpleNamespace
settings = SimpleNamespace(enabled=True, uri="mlflow.db", experiment="start", system_metrics=False)
"""
NAIVE = """
import minimoe.finetune.cell
import mlflow
mlflow.set_tracking_uri("sqlite:///mlflow.db")
mlflow.set_experiment("start")
with mlflow.start_run(run_name="start"):
    mlflow.log_param("epochs", 5)
"""
STAGE = f"""
from minimoe import tracking
from minimoe.system.machine import importing
{SETTINGS}
with importing():
    import minimoe.finetune.cell
with tracking.run(settings, "start", {{}}, {{"epochs": 5}}):
    pass
"""
FORK = f"""
from multiprocessing import get_context
from minimoe import tracking
from minimoe.pipeline import repro
{SETTINGS}
def cell():
    with tracking.run(settings, "start", {{}}, {{"epochs": 5}}):
        pass
repro.prepare({{}}, settings)
start = time.perf_counter()
forked = get_context("fork").Process(target=cell)
forked.start()
forked.join()
print(time.perf_counter() - start)
"""


def run() -> list[Row]:
    """Three rows."""
    with tempfile.TemporaryDirectory() as folder:
        stage, naive = in_turn(lambda: _python(folder, STAGE), lambda: _python(folder, NAIVE), repeats=ROUNDS)
        _, *times = (float(_python(folder, FORK)) for _ in range(1 + ROUNDS))  # the first does not count, as above
        cell = median(times)
    read, pure = in_turn(lambda: _read(pure=False), lambda: _read(pure=True), repeats=20)
    return [
        Row(
            "start of a stage: imports, MLflow run", "starts/min", 60 / stage, 60 / naive, "plain imports, mlflow", 1.2
        ),
        Row("start of a cell in the grid", "starts/min", 60 / cell, 60 / stage, "a stage of its own", 10.0),
        Row("reading params.yaml, as DVC does for every stage", "files/s", 1 / read, 1 / pure, "without libyaml", 2.0),
    ]


def _python(folder: str, code: str) -> str:
    command = [sys.executable, "-c", code]
    return subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout


def _read(pure: bool) -> None:
    YAML(typ="safe", pure=pure).load(PARAMS)
