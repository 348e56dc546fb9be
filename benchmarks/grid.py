"""The finetuning grid: cells of the sample a second, side by side, against `dvc repro`, which takes one after another.

Each runs first and second once, always in a new copy of the same folder: the pipeline with two small random models.
Their results are compared.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch
from ruamel.yaml import YAML
from transformers import BertConfig, BertModel, BertTokenizer

from benchmarks.measure import Row
from minimoe.teacher.tokenizer import train_tokenizer

ROOT = Path(__file__).parents[1]
MODELS = {"teacher": (3, 96), "base/minilm-2L-72H": (2, 72)}  # layers, width
TASKS = ("cola", "sst2", "rte", "conll2003")
CELLS = [f"finetune@{model}-{task}" for model in MODELS for task in TASKS]
OURS = """
import sys
from minimoe.params import load
from minimoe.pipeline.repro import finetune
finetune(sys.argv[1:], load().runtime)
"""


COMMANDS = {"ours": ["-c", OURS], "dvc": ["-m", "dvc", "repro", "--quiet", "--single-item"]}


def run() -> list[Row]:
    """One row; the goal is the one of a whole grid on two cores."""
    with tempfile.TemporaryDirectory() as temporary:
        whole, seconds, results = Path(temporary, "whole"), {name: 0.0 for name in COMMANDS}, []
        _pipeline(whole)
        for turn in (list(COMMANDS), list(reversed(COMMANDS))):
            for name in turn:
                folder = Path(temporary, f"{name}{len(results)}")
                shutil.copytree(whole, folder)
                seconds[name] += _seconds(folder, *COMMANDS[name], *CELLS)
                results.append(_results(folder))
        assert all(one == results[0] for one in results)
    rates = {name: 60 * 2 * len(CELLS) / taken for name, taken in seconds.items()}
    name = f"finetuning grid, {len(CELLS)} cells of the sample"
    return [Row(name, "cells/min", rates["ours"], rates["dvc"], "one after another", 2.0)]


def _pipeline(folder: Path) -> None:
    """A folder where the cells can run: code, params, tasks, models, and MLflow's database."""
    for part in ("src", "stages", "data/sample"):
        shutil.copytree(ROOT / part, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
    for file in ("dvc.yaml", ".dvcignore"):
        shutil.copy(ROOT / file, folder)
    yaml = YAML()
    params = yaml.load(ROOT / "profiles" / "sample.yaml")
    params["table"] = {"models": list(MODELS), "tasks": list(TASKS)}
    params["export"] = {"models": [], "tasks": []}
    yaml.dump(params, folder / "params.yaml")
    _seconds(folder, "-m", "dvc", "init", "--quiet", "--no-scm")
    for stage in ("settings", "tasks"):
        _seconds(folder, "-m", f"stages.{stage}")
    connect = "from minimoe import params, tracking; tracking.connect(params.load().runtime.tracking)"
    _seconds(folder, "-c", connect)
    texts = folder / "texts" / "all.txt"
    texts.parent.mkdir()
    texts.write_text("".join(path.read_text() for path in sorted(folder.glob("data/tasks/*/train.jsonl"))))
    train_tokenizer(texts.parent, folder / "tokenizer", 4000, lowercase=True)
    for model, (layers, width) in MODELS.items():
        _save(folder / "models" / model, BertTokenizer.from_pretrained(folder / "tokenizer"), layers, width)


def _save(folder: Path, tokenizer: BertTokenizer, layers: int, width: int) -> None:
    torch.manual_seed(0)
    shape = {"hidden_size": width, "num_hidden_layers": layers, "intermediate_size": 4 * width}
    BertModel(BertConfig(vocab_size=len(tokenizer), **shape), add_pooling_layer=False).save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def _seconds(folder: Path, *arguments: str) -> float:
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    start = time.perf_counter()
    subprocess.run([sys.executable, *arguments], cwd=folder, env=environment, check=True, capture_output=True)
    return time.perf_counter() - start


def _results(folder: Path) -> dict[str, bytes]:
    found = [*folder.glob("metrics/**/*.json"), *folder.glob("finetuned/**/*.safetensors")]
    return {str(path.relative_to(folder)): path.read_bytes() for path in found}
