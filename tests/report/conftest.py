"""Made-up metric files for a whole table, as the stages write them."""

import json
from pathlib import Path

import pytest

from minimoe.params.rounds import Round
from minimoe.report.collect import collect
from minimoe.report.columns import columns_of

TASKS = ["cola", "sst2", "mrpc", "stsb", "qqp", "mnli", "qnli", "rte", "wnli", "conll2003"]
DENSE = {"layers": 2, "hidden": 96}
ROUNDS = {
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
MODELS = ["teacher", "base/minilm", "base/minimoe", "base/assistant", "assisted/minilm-ta", "control/scratch"]
# points above the majority label, before a task's own offset
QUALITY = dict(zip(MODELS, [40.0, 20.0, 21.0, 25.0, 20.0, 10.0], strict=True))


class Tree:
    """A folder with the metrics of `MODELS`, and how a stage would read it."""

    models, tasks = MODELS, TASKS

    def __init__(self, root: Path):
        self.root = root
        self.rounds = {name: Round.model_validate(values) for name, values in ROUNDS.items()}

    def write(self, path: str, values: dict) -> None:
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(values))

    def edit(self, path: str, change) -> None:
        values = json.loads((self.root / path).read_text())
        change(values)
        self.write(path, values)

    def collect(self, models=tuple(MODELS), tasks=tuple(TASKS)):
        return collect(self.root, models, tasks, self.rounds, length=128, batches=[1, 32])


@pytest.fixture
def tree(tmp_path) -> Tree:
    tree = Tree(tmp_path)
    for model in MODELS:
        for place, task in enumerate(TASKS):
            tree.write(f"metrics/finetune/{model}/{task}.json", _cell(model, task, place))
        macs = 200_000_000 if model == "teacher" else 28_000_000
        costs = {"macs_128": macs, "params_total": 700_000, "params_active": 600_000}
        tree.write(f"metrics/cost/{model}.json", costs | {"latency_ms_b1": 2.5, "latency_ms_b32": 14.0})
    for name, round_ in ROUNDS.items():
        steps = 0 if round_.get("epochs") == 0 else 100
        tree.write(f"metrics/distill/{name}.json", {s: _distilled(s, steps) for s in round_["students"]})
        rows = [f"{s},{step},,{0.3 - step / 1000}" for s in round_["students"] for step in range(0, steps, 10)]
        (tree.root / "curves").mkdir(exist_ok=True)
        table = "\n".join(["student,step,train_loss,heldout_loss", *rows]) + "\n"
        (tree.root / f"curves/{name}.csv").write_text(table)
    return tree


def _cell(model: str, task: str, place: int) -> dict:
    # a little of each task's own in every model, so that intervals are not empty
    wobble = ((place * 7 + MODELS.index(model) * 3) % 5 - 2) / 10
    result = {"metric": "accuracy", "mean": 50 + QUALITY[model] + wobble, "std": 0.5, "runs": 3, "majority": 50.0}
    results = {column.key: result for column in columns_of([task])}
    return {"model": model, "task": task, "learning_rate": 3e-5, "results": results, "runs": []}


def _distilled(student: str, steps: int) -> dict:
    loss = {"minilm": 0.21, "minimoe": 0.20}.get(student, 0.22)
    metrics = {"heldout_loss": loss, "heldout_loss_initial": 1.9, "train_loss": 0.2, "steps": steps, "records": 9}
    if student == "minimoe":
        metrics["expert_load"] = {"ffn": [[0.25, 0.25, 0.25, 0.25], [0.7, 0.1, 0.1, 0.1]]}
        metrics["router_entropy"] = {"ffn": [1.31, 0.77]}
    return metrics
