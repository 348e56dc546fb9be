"""A tiny pipeline in a folder of its own, with a stage of every kind; its outputs as checksums; copies of it.

It has the project's code and graph, the first pages of the sample's dump, one task, and models so small that all
stages together take seconds. What is compared are the bytes of everything that a stage computes; measured times, and
the page that shows them, are not among it.
"""

import bz2
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[1]
PAGES = 120  # of the sample's dump
TASK = "rte"
EXAMPLES = 48  # to finetune on
DENSE = {"layers": 1, "hidden": 24}
MOE = DENSE | {"experts": {"attention": 1, "ffn": 2}}
MODELS = ["teacher", "base/dense", "base/moe", "sparse/sparse-50"]
OUTPUTS = [
    "data/[!s]*/**/*",
    "models/**/*",
    "finetuned/**/*",
    "predictions/**/*",
    "curves/*",
    "metrics/[!c]*/**/*",
    "reports/results.csv",
]


def environment(folder: Path) -> dict[str, str]:
    """What a run in `folder` has in its environment: the folder's code, one thread, nothing kept elsewhere."""
    return os.environ | {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PYTHONPATH": f"{folder / 'src'}:{folder}",
        "PYTHONUNBUFFERED": "1",
        "OMP_NUM_THREADS": "1",
        "DVC_SITE_CACHE_DIR": f"{folder}.dvc",
    }


def make(folder: Path) -> Path:
    """Make the pipeline, in which nothing has run yet; returns its folder."""
    for part in ("src", "stages", "data/sample/glue", "data/sample/conll2003"):
        shutil.copytree(ROOT / part, folder / part, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    for file in ("dvc.yaml", ".dvcignore"):
        shutil.copy(ROOT / file, folder)
    _write_dump(folder / "data/sample/wiki.xml.bz2")
    write_params(folder, params())
    for command in ("init --quiet --no-scm", "config core.analytics false", "config core.check_update false"):
        line = [sys.executable, "-m", "dvc", *command.split()]
        subprocess.run(line, cwd=folder, env=environment(folder), check=True)
    return folder


def params() -> dict:
    """The sample's params, much smaller."""
    values = yaml.safe_load((ROOT / "profiles/sample.yaml").read_text(encoding="utf-8"))
    values["corpus"]["records"] |= {"max_length": 32, "heldout": 0.2}
    values["teacher"]["tokenizer"]["vocabulary"] = 800
    values["teacher"]["pretrain"] |= {"layers": 2, "hidden": 48, "neurons": 96, "epochs": 2, "batch": 32}
    values["sparsify"] |= {"sparsities": [0, 50], "share": 0.5}
    values["distill"] |= {"epochs": 2, "heldout": 32, "evaluate_every": 10}
    values["rounds"] = {
        "base": {"teacher": "models/teacher", "students": {"dense": DENSE, "moe": MOE}},
        "sparse": {"teacher": "models/sparsified/teacher", "students": {"sparse-50": {"sparsity": 50}}},
    }
    values["finetune"] |= {"epochs": 2, "max_train": EXAMPLES}
    values["table"] = {"models": MODELS, "tasks": [TASK]}
    values["export"] = {"models": [], "tasks": []}
    values["cost"] |= {"batches": [1], "repeats": 2}
    values["runtime"] |= {"workers": 2, "device": "cpu", "checkpoint_minutes": 0.005, "shard_records": 512}
    return values


def write_params(folder: Path, values: dict) -> None:
    """Write params.yaml."""
    (folder / "params.yaml").write_text(yaml.safe_dump(values, sort_keys=False), encoding="utf-8")


def _write_dump(path: Path) -> None:
    whole = bz2.decompress((ROOT / "data/sample/wiki.xml.bz2").read_bytes())
    pages = whole.split(b"</page>")[:PAGES]
    path.write_bytes(bz2.compress(b"</page>".join(pages) + b"</page>\n</mediawiki>\n"))


def outputs(folder: Path) -> dict[str, str]:
    """The checksum of every file that a stage has computed, temporary ones included, by path."""
    files = sorted({path for pattern in OUTPUTS for path in folder.glob(pattern) if path.is_file()})
    return {str(path.relative_to(folder)): hashlib.md5(path.read_bytes()).hexdigest() for path in files}


def copy(reference: Path, folder: Path, undone: list[str]) -> Path:
    """A copy of a pipeline that has run, in which the stages `undone` have not, as far as DVC knows."""
    shutil.copytree(reference, folder, symlinks=True, dirs_exist_ok=True)
    if undone:
        undo(folder, undone)
    return folder


def undo(folder: Path, names: list[str]) -> None:
    """Delete what the stages have made, and what DVC knows of it; of other stages it goes on knowing everything."""
    lock = yaml.safe_load((folder / "dvc.lock").read_text())
    undone = [lock["stages"].pop(name) for name in set(names) & lock["stages"].keys()]
    for out in (out for stage in undone for out in stage["outs"]):
        path = folder / out["path"]
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    commands = {stage["cmd"] for stage in undone}
    for runs in sorted(folder.glob(".dvc/cache/runs/*/*")):  # a folder has the runs of one stage
        if any((yaml.safe_load(run.read_text()) or {}).get("cmd") in commands for run in runs.iterdir()):
            shutil.rmtree(runs)
    (folder / "dvc.lock").write_text(yaml.safe_dump(lock, sort_keys=False))


def stages(folder: Path) -> list[str]:
    """The stages that DVC has a result of, in the order in which they ran."""
    path = folder / "dvc.lock"
    try:
        return list((yaml.safe_load(path.read_text(encoding="utf-8")) or {}).get("stages", {}))
    except (FileNotFoundError, yaml.YAMLError):  # not there yet; truncated by a kill
        return []
