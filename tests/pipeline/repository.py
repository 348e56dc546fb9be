"""Commands in a repository with a small table, as a user types them."""

import os
import subprocess
import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[2]
TASKS = ["rte", "conll2003"]
MODELS = ["teacher", "base/minilm", "base/minimoe", "assisted/minilm-ta", "sparse/sparse"]
DENSE = {"layers": 2, "hidden": 96}


def params() -> dict:
    """The sample's params with a smaller table, so that a run is short."""
    values = yaml.safe_load((ROOT / "params.yaml").read_text())
    values["rounds"] = {
        "base": {
            "teacher": "models/teacher",
            "students": {
                "minilm": dict(DENSE),
                "minimoe": {**DENSE, "experts": {"attention": 1, "ffn": 4}},
                "assistant": {"layers": 3, "hidden": 96},
            },
        },
        "assisted": {"teacher": "models/base/assistant", "students": {"minilm-ta": dict(DENSE)}},
        "sparse": {"teacher": "models/sparsified/teacher", "students": {"sparse": {"sparsity": 80}}},
    }
    values["tasks"] = {task: {} for task in TASKS}
    values["table"] = {"models": MODELS, "tasks": TASKS}
    return values


def environment() -> dict[str, str]:
    return os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}


def python(folder: Path, module: str, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", module, *arguments], cwd=folder, env=environment(), capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def dvc(folder: Path, *arguments: str) -> str:
    return python(folder, "dvc", *arguments)


def git(folder: Path, *arguments: str) -> None:
    identity = ["-c", "user.name=tests", "-c", "user.email=tests@example.org"]
    subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True)
