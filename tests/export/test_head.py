"""Finetuned models of every kind of task as ONNX: the same outputs, answers and scores."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import backbones
import numpy as np
import onnxruntime
import pytest
import torch
from finetune.conftest import FILES
from models.kinds import student
from transformers import AutoTokenizer

from minimoe.export.graph import FP32, INT8
from minimoe.export.head import export_head
from minimoe.finetune.loop import load_finetuned, load_model
from minimoe.finetune.tokenizer import load_tokenizer
from minimoe.models.save import save
from minimoe.params.own_tasks import OwnTask
from minimoe.system.errors import UserError
from minimoe.tasks.table import TASKS
from minimoe.tasks.task import with_labels

ROOT = Path(__file__).parents[2]
TEXT = "the good film a bad play ann eats bob sees a paris rome the film\n" * 2
TOPICS = {"kind": "multilabel", "path": "x", "train": "a.csv", "dev": "b.csv", "text": "x", "label": "y"}
LABELS = ["good", "bad", "film", "play"]
CASES = {
    "sst2": ("dense-roberta", "accuracy"),
    "stsb": ("sparse", "spearman"),
    "topics": ("experts-2,4", "micro_f1"),
    "conll2003": ("experts-roberta", "chunk_f1"),
}


@pytest.fixture(
    scope="module", params=[name if name == "sst2" else pytest.param(name, marks=pytest.mark.slow) for name in CASES]
)
def made(request, tmp_path_factory):
    """A task, the folder of a model with its head, drawn at random and large, and what it was exported to."""
    name, root = request.param, tmp_path_factory.mktemp(request.param)
    examples = FILES.get(name, {}).get("dev")
    if name == "stsb":  # all different: of equal ones, rounding alone would decide the ranks
        seconds = ("the film", "a play", "the play", "a film")
        parts = [(first, second) for first in ("ann", "bob", "paris") for second in seconds]
        examples = [
            {"text": f"{first} sees", "pair": second, "label": 5 * n / len(parts)}
            for n, (first, second) in enumerate(parts)
        ]
    if name == "topics":
        texts = [f"the {first} {second}" for first in ("good", "bad", "a") for second in ("film", "play", "a")]
        examples = [
            {"text": text, "pair": None, "label": [n for n, word in enumerate(LABELS) if word in text.split()]}
            for text in texts
        ]
        (root / "labels.json").write_text(json.dumps(LABELS))
    (root / "dev.jsonl").write_text("".join(json.dumps(example) + "\n" for example in examples))
    task = with_labels(OwnTask.model_validate(TOPICS).row(name), root) if name == "topics" else TASKS[name]
    kind = CASES[name][0]
    save(student(kind, max_position_embeddings=64), root / "model")
    backbones.make_tokenizer("roberta" if "roberta" in kind else "bert", TEXT).save_pretrained(root / "model")
    model, tokenizer = load_model(root / "model", task, seed=1), load_tokenizer(root / "model", task, 20)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if name.startswith("classifier"):
                weight.normal_(generator=torch.Generator().manual_seed(5))
    model.save_pretrained(root / "finetuned")
    tokenizer.save_pretrained(root / "finetuned")
    return task, root, export_head(root / "finetuned", task, root, root / "out", max_length=20, threads=1)


@pytest.mark.slow
def test_scores_of_all_forms(made):
    task, _, metrics = made
    assert metrics["error"] < 2e-6
    assert (metrics["column"], metrics["metric"]) == (task.name, CASES[task.name][1])
    assert metrics["score_fp32"] == metrics["score_pytorch"]
    assert abs(metrics["score_int8"] - metrics["score_fp32"]) < 25  # few examples
    assert task.graded or metrics["same_answers"] > (25 if task.kind == "tagging" else 75)  # whole sentences


def test_logits_are_those_of_pytorch(made):
    task, root, _ = made
    model = load_finetuned(root / "finetuned", task).eval()
    tokenizer = AutoTokenizer.from_pretrained(root / "out")
    tokens = tokenizer(["ann sees the film", "a play"], padding=True, return_tensors="np")
    with torch.no_grad():
        wanted = model(**{name: torch.from_numpy(values) for name, values in tokens.items()}).logits.numpy()
    real = tokens["attention_mask"].astype(bool) if task.kind == "tagging" else slice(None)
    for graph, error in ((FP32, 2e-6), (INT8, 0.2)):
        (logits,) = onnxruntime.InferenceSession(root / "out" / graph).run(["logits"], dict(tokens))
        np.testing.assert_allclose(logits[real], wanted[real], rtol=0, atol=error * np.abs(wanted).max())
    assert json.loads((root / "out/config.json").read_text()).get("id2label") == json.loads(
        (root / "finetuned/config.json").read_text()
    ).get("id2label")


@pytest.mark.slow
def test_int8_that_is_not_finite_gets_no_score(made, poisoned, tmp_path):
    task, root, _ = made
    with pytest.raises(UserError, match=r"finetuned: expected finite outputs of its graph in int8, got NaN"):
        export_head(root / "finetuned", task, root, tmp_path / "out", max_length=20, threads=1)
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_the_docs_line_runs_as_printed(made, tmp_path):
    """In a process without this package and without PyTorch."""
    text = (ROOT / "docs/export.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"(?s)```python\n(.*?)```", text)
    folder = re.search(r'folder = "(.*)"', code)[1]
    shutil.copytree(made[1] / "out", tmp_path / folder)
    hidden = "import sys\nsys.modules['minimoe'] = sys.modules['torch'] = None\n"
    done = subprocess.run([sys.executable, "-c", hidden + code], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "code" not in done.stdout + done.stderr  # it asks for nothing
    assert done.stdout.startswith("[[")
    line = re.search(r'InferenceSession\("(.*)"\)', (ROOT / "README.md").read_text(encoding="utf-8"))[1]
    assert (tmp_path / line).is_file()
