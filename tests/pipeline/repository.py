"""Commands in a repository with a small table, as a user types them."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[2]
TASKS = ["rte", "conll2003"]
MODELS = ["teacher", "base/minilm", "base/minimoe", "assisted/minilm-ta", "sparse/sparse"]
DENSE = {"layers": 2, "hidden": 96}
SMALLEST = {"layers": 1, "hidden": 24, "experts": {"attention": 1, "ffn": 2}}


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
    values["export"] = {"models": ["base/minimoe"], "tasks": ["rte"]}
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


def shrink(path: Path, student: str = "minimoe", shape: Mapping = SMALLEST) -> None:
    """Make of the sample a run of a minute: one round with one student, one task."""
    values = yaml.safe_load(path.read_text(encoding="utf-8"))
    values["teacher"]["pretrain"] |= {"epochs": 1, "layers": 1}
    values["sparsify"]["teachers"] = []
    values["distill"] |= {"epochs": 1, "relation_heads": 12}
    values["rounds"] = {"base": {"teacher": "models/teacher", "students": {student: dict(shape)}}}
    values["tasks"] = {"wnli": {"epochs": 1, "max_train": 64}}
    values["table"] = {"models": ["teacher", f"base/{student}"], "tasks": ["wnli"]}
    values["export"] = {"models": [], "tasks": []}
    values["cost"] = {"length": 16, "batches": [1], "repeats": 1}
    path.write_text(yaml.safe_dump(values, sort_keys=False), encoding="utf-8")
