"""The profile `small`, shrunk, from one end to the other: hub, CDN, Xet and the dumps' server are on this machine."""

import hashlib
import io
import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import yaml
from hub.conftest import environment
from hub.loopback import Hub
from hub.parquet import copy
from transformers import BertConfig, BertForPreTraining

from faults import pipeline
from minimoe.corpus.download import WIKIMEDIA
from minimoe.pipeline.profiles import whole
from minimoe.tasks.table import TASKS

DATE = "20261101"
MODELS = ["teacher", "sparse/sparse-90"]


def params() -> dict:
    """The profile with its sources, rounds and tasks, all of them much smaller."""
    values = yaml.safe_load(whole("small", pipeline.ROOT))
    values["corpus"]["records"] |= {"max_length": 32, "heldout": 0.1}
    values["sparsify"] |= {"sparsities": [0, 50, 90], "share": 0.05}
    values["distill"] |= {"epochs": 1, "heldout": 32, "evaluate_every": 1000, "batch": 256, "relation_heads": 4}
    values["distill"] |= {"precision": "fp32"}
    values["rounds"] = {name: values["rounds"][name] for name in ("base", "sparse")}
    for round_ in values["rounds"].values():
        for student in round_["students"].values():
            if "layers" in student:
                student |= {"layers": min(student["layers"], 4) // 2, "hidden": 24}
    values["finetune"] |= {"epochs": 1, "patience": 1, "batch": 8, "max_length": 16}
    values["tasks"] = {task: {} for task in values["tasks"]}
    values["table"]["models"] = MODELS
    values["export"] = {"models": MODELS[-1:], "tasks": ["sst2"]}
    values["cost"] |= {"length": 16, "batches": [1, 2], "repeats": 1}
    values["runtime"] |= {"device": "cpu", "workers": 2}
    return values


def teacher() -> dict[str, bytes]:
    """A BERT as its repository on the hub has it: a pickle, a vocabulary and no tokenizer's config."""
    letters = [chr(code) for code in range(33, 127) if not 65 <= code <= 90]
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *letters, *(f"##{letter}" for letter in letters)]
    torch.manual_seed(0)
    shape = {"hidden_size": 48, "num_hidden_layers": 2, "num_attention_heads": 12, "intermediate_size": 96}
    config = BertConfig(vocab_size=len(words), **shape)
    weights = io.BytesIO()
    torch.save(BertForPreTraining(config).state_dict(), weights)
    return {
        "config.json": json.dumps(config.to_dict()).encode(),
        "vocab.txt": "\n".join([*words, ""]).encode(),
        "pytorch_model.bin": weights.getvalue(),
        "README.md": b"# BERT\n",
    }


def dumps(content: bytes, url: str) -> dict[str, bytes]:
    """What dumps.wikimedia.org has of a wiki, while a newer dump is under way."""
    folder, name = f"/simplewiki/{DATE}", f"simplewiki-{DATE}-pages-articles.xml.bz2"
    feed = f"<rss><channel><item><link>{url}{folder}</link></item></channel></rss>"
    return {
        f"{folder}/{name}": content,
        f"{folder}/simplewiki-{DATE}-sha1sums.txt": f"{hashlib.sha1(content).hexdigest()}  {name}\n".encode(),
        "/simplewiki/latest/simplewiki-latest-pages-articles.xml.bz2-rss.xml": feed.encode(),
        "/simplewiki/latest/simplewiki-latest-sha1sums.txt": b"",
    }


@pytest.fixture
def served():
    hub = Hub(xet=True)
    yield hub
    hub.close()


@pytest.mark.slow
def test_the_profile_small_runs_from_the_hub_and_the_dumps_server(tmp_path, served):
    values = params()
    converted = copy([TASKS["conll2003"]], 16, "{config}/{split}/0000.parquet")
    glue = copy([task for task in TASKS.values() if task.family == "glue"], 16)
    served.add("dataset", values["task_data"]["conll2003"]["hub"], {"conll2003.py": b""})
    commits = {
        "teacher": served.add("model", values["teacher"]["hub"], teacher()),
        "glue": served.add("dataset", values["task_data"]["glue"]["hub"], glue),
        "conll2003": served.add("dataset", values["task_data"]["conll2003"]["hub"], converted, "refs/convert/parquet"),
    }
    folder = pipeline.make(tmp_path / "small")
    pipeline.write_params(folder, values)
    served.files = dumps((folder / "data/sample/wiki.xml.bz2").read_bytes(), served.url)
    download = folder / "src/minimoe/corpus/download.py"
    download.write_text(download.read_text(encoding="utf-8").replace(WIKIMEDIA, served.url), encoding="utf-8")
    # one break of each kind on the way
    served.faults = {"/simplewiki": [503], "/api/": [500], "/cas/v1": [{"send": 500}]}

    done = run(folder, served.url)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert "Traceback" not in done.stdout + done.stderr
    results = (folder / "reports/results.txt").read_text(encoding="utf-8")
    assert all(model.rpartition("/")[2] in results for model in MODELS)
    assert not served.faults["/simplewiki"] + served.faults["/api/"] + served.faults["/cas/v1"]
    origin = {path.stem: json.loads(path.read_text()) for path in (folder / "data/origin").glob("*.json")}
    assert origin["tokenizer"]["tokenizer"]["commit"] == origin["teacher"]["teacher"]["commit"] == commits["teacher"]
    assert {name: read["commit"] for name, read in origin["tasks"].items()} == {
        name: commits[name] for name in ("glue", "conll2003")
    }
    assert list((folder / "data/dump").iterdir()) == [folder / f"data/dump/simplewiki-{DATE}-pages-articles.xml.bz2"]


def run(folder: Path, url: str) -> subprocess.CompletedProcess:
    """`python -m minimoe repro`, which reaches the loopback servers and nothing else."""
    variables = pipeline.environment(folder) | environment(url, folder)
    for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_TOKEN"):
        variables.pop(name, None)
    command = [sys.executable, "-m", "minimoe", "repro"]
    return subprocess.run(command, cwd=folder, env=variables, capture_output=True, text=True, timeout=600)
