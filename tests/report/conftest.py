"""Made-up metric files for whole tables, as the stages write them: a small run, and one with every kind of model."""

import json
import zlib
from contextlib import suppress
from pathlib import Path

import pytest
import torch
from ruamel.yaml import YAML

from minimoe.finetune.data import EncodedExamples
from minimoe.finetune.predictions import write
from minimoe.params.rounds import ASSISTANT, Distill, Experts, Round
from minimoe.report.collect import Results, collect
from minimoe.report.columns import columns_of
from minimoe.report.models import is_teacher
from minimoe.tasks.table import TASKS as TABLE
from minimoe.tasks.task import Split, Task

SAMPLE = Path(__file__).parents[2] / "profiles/sample.yaml"
DISTILL = Distill.model_validate(YAML(typ="safe").load(SAMPLE.read_text(encoding="utf-8"))["distill"])
TASKS = ["cola", "sst2", "mrpc", "stsb", "qqp", "mnli", "qnli", "rte", "wnli", "conll2003", "stsb_cosine"]
DENSE = {"layers": 2, "hidden": 96}
SMALL = {
    "base": {
        "teacher": "models/teacher",
        "students": {
            "minilm": DENSE,
            "minimoe": DENSE | {"experts": {"ffn": 4}},
            "assistant": {"layers": 3, "hidden": 96},
        },
    },
    "assisted": {"teacher": "models/base/assistant", "students": {"minilm-ta": DENSE}},
    "control": {"teacher": "models/teacher", "epochs": 0, "students": {"scratch": DENSE}},
}
# points above the majority label
QUALITY = {
    "teacher": 40.0,
    "base/minilm": 20.0,
    "base/minimoe": 21.0,
    "base/assistant": 25.0,
    "assisted/minilm-ta": 20.0,
    "control/scratch": 10.0,
}
EVERY = SMALL | {
    "large": {
        "teacher": "models/teachers/large",
        "students": {"minilm": DENSE, "minimoe": DENSE | {"experts": {"ffn": 4}}},
    },
    "experts": {
        "teacher": "models/teacher",
        "students": {
            "minimoe-1x2": DENSE | {"experts": {"ffn": 2}},
            "minimoe-4x1": DENSE | {"experts": {"attention": 4}},
            "minimoe-4x4": DENSE | {"experts": {"attention": 4, "ffn": 4}},
        },
    },
    "moe-assisted": {
        "teacher": "models/base/assistant",
        "students": {"minimoe-ta": DENSE | {"experts": {"ffn": 4}}},
    },
    "unbalanced": {
        "teacher": "models/teacher",
        "load_balance": 0.0,
        "students": {"minimoe": DENSE | {"experts": {"ffn": 4}}},
    },
    "published": {
        "teacher": "models/teacher",
        "relation_dropout": 0.1,
        "log_epsilon": 1e-7,
        "students": {"minilm": DENSE},
    },
    "tinybert": {"teacher": "models/teacher", "objective": "tinybert", "students": {"tinybert": DENSE}},
    "sentence": {"teacher": "models/teacher", "objective": "embedding", "students": {"sentence": DENSE}},
    "relations-first": {
        "teacher": "models/teacher",
        "then": {"objective": "embedding", "epochs": 1},
        "students": {"sentence": DENSE},
    },
    "sparse": {"teacher": "models/sparsified/teacher", "students": {"sparse-90": {"sparsity": 90}}},
    "disc": {
        "teacher": "models/sparsified/teacher",
        "assistant": "auto",
        "students": {"sparse-90": {"sparsity": 90}},
    },
    "ofa": {
        "teacher": "models/teacher",
        "once_for_all": {"layers": [2, 1], "hidden": [96, 48]},
        "students": {"alone": {"layers": 2, "hidden": 48, "heads": 6}},
    },
}
LATENCIES = {"latency_ms_b1": 2.5, "latency_ms_b32": 14.0, "machine": "a computer, 2 cores"}
FURTHER = ("teacher", "teachers/large")
EXAMPLES = 1000  # of every set


class Tree:
    """A folder with the metrics of a run, and how the report's stage would read it."""

    def __init__(self, root: Path, rounds: dict, teachers: tuple[str, ...] = ("teacher",), distill: Distill = DISTILL):
        self.root, self.distill = root, distill
        self.rounds = {name: Round.model_validate(values) for name, values in rounds.items()}
        self.tasks, self._answered = TASKS, {}
        self.models = [*teachers, *(f"{name}/{m}" for name, round_ in self.rounds.items() for m in round_.models)]
        for model in self.models:
            for task in TASKS:
                self.write(f"metrics/finetune/{model}/{task}.json", _cell(model, task))
            macs = 200_000_000 if is_teacher(model) else 28_000_000
            costs = {"macs_128": macs, "params_total": 700_000, "params_active": 600_000}
            self.write(f"metrics/cost/{model}.json", costs | LATENCIES)
        (root / "curves").mkdir(parents=True)
        for name, round_ in self.rounds.items():
            steps = 0 if round_.epochs == 0 else 100
            self.write(f"metrics/distill/{name}.json", {m: _distilled(round_, m, steps) for m in round_.models})
            curves = [*round_.models, *(f"{m} (first phase)" for m in round_.models if round_.then)]
            rows = [f"{m},{step},,{0.3 - step / 1000}" for m in curves for step in range(0, steps, 10)]
            table = "\n".join(["student,step,train_loss,heldout_loss", *rows]) + "\n"
            (root / f"curves/{name}.csv").write_text(table)

    def write(self, path: str, values: dict) -> None:
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(values))

    def edit(self, path: str, change) -> None:
        values = json.loads((self.root / path).read_text())
        change(values)
        self.write(path, values)

    def answer(self) -> None:
        """Write predictions that give the scores of the metrics, where those are whole."""
        for file in (self.root / "metrics/finetune").rglob("*.json"):
            with suppress(ValueError, KeyError, TypeError, AttributeError):
                cell = json.loads(file.read_text())
                name = str(file.relative_to(self.root / "metrics/finetune").with_suffix(".parquet"))
                if cell["results"] and cell != self._answered.get(name):
                    write_answers(self.root / "predictions" / name, cell["results"])
                    self._answered[name] = cell

    def collect(self, models=None, tasks=tuple(TASKS), **more) -> Results:
        sizes = {"length": 128, "batches": [1, 32], "seed": 1} | more
        self.answer()
        return collect(
            self.root, models or self.models, tasks, self.rounds, self.distill, **sizes, task_teacher="teacher"
        )


def write_answers(path: Path, results: dict) -> None:
    """Runs that are right on the first examples, so many that they have the scores of `results`."""
    metric, runs = (next(iter(results.values()))[key] for key in ("metric", "runs"))
    kind = "multilabel" if metric == "micro_f1" else "classification"
    splits = tuple(Split(key, key) for key in results)
    task = Task(name="", kind=kind, columns=(), labels=("a", "b"), metrics=(metric,), splits=splits)
    order = torch.arange(EXAMPLES)
    found = {key: (order < round(result["mean"] * EXAMPLES / 100)).int() for key, result in results.items()}
    gold = torch.ones(EXAMPLES, dtype=torch.int32)
    if kind == "multilabel":
        gold, *own = (torch.stack([values, 1 - values], 1) for values in (gold, *found.values()))
        found = dict(zip(found, own, strict=True))
    sets = {key: EncodedExamples(gold=gold.tolist()) for key in results}
    write(path, task, sets, dict.fromkeys(range(runs), found))


@pytest.fixture(autouse=True)
def few_replicates(monkeypatch):
    monkeypatch.setattr("minimoe.report.collect.REPLICATES", 200)


@pytest.fixture
def tree(tmp_path) -> Tree:
    """Six models: dense, with experts, an assistant and its student, a control."""
    return Tree(tmp_path, SMALL)


@pytest.fixture
def every(tmp_path) -> Tree:
    """Models of every kind, and a second teacher."""
    return Tree(tmp_path / "every", EVERY, FURTHER)


@pytest.fixture(scope="session")
def every_kind(tmp_path_factory) -> Results:
    """What `every` collects, for tests that change nothing."""
    return Tree(tmp_path_factory.mktemp("every"), EVERY, FURTHER).collect()


def _cell(model: str, task: str) -> dict:
    # a little of each task's own in every model, so that intervals are not empty
    wobble = (zlib.crc32(f"{model} {task}".encode()) % 5 - 2) / 10
    mean = 50 + QUALITY.get(model, 42.0 if is_teacher(model) else 19.0) + wobble
    result = {"metric": "accuracy", "mean": mean, "std": 0.5, "runs": 3, "majority": 50.0}
    results = {column.key: result for column in columns_of([task])}
    if not TABLE[task].trained:
        return {"model": model, "task": task, "results": {task: result | {"std": 0.0, "runs": 1, "majority": 0.0}}}
    return {
        "model": model,
        "task": task,
        "learning_rate": 3e-5,
        "results": results,
        "runs": [{"seed": seed, "learning_rate": 3e-5} for seed in (1, 2, 3)],
    }


def _distilled(round_: Round, name: str, steps: int) -> dict:
    heldout = {"minilm": 0.21, "minimoe": 0.20}.get(name, 0.22)
    metrics = {"heldout_loss": heldout, "heldout_loss_initial": 1.9, "train_loss": 0.2, "steps": steps, "records": 9}
    shape = round_.students.get(name)
    metrics["own_code"] = bool(shape and (shape.experts != Experts() or shape.sparsity))
    if shape and shape.experts.ffn > 1:
        even, uneven = [1 / shape.experts.ffn] * shape.experts.ffn, [0.7, 0.3, *[0.0] * (shape.experts.ffn - 2)]
        metrics["expert_load"] = {"ffn": [even, uneven]}
        metrics["router_entropy"] = {"ffn": [1.31, 0.77]}
    if shape and shape.sparsity:
        metrics["sparsity"] = shape.sparsity
    if round_.assistant and name == ASSISTANT:
        score = {"heldout_loss": 0.1, "metric": 0.9, "score": 1.04}
        metrics |= {"sparsity": 70, "candidates": {"0": score, "70": score | {"score": 1.05}}}
    return metrics
