"""The report over many models, whose metrics are made up."""

from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.load.watch import disk, watch
from minimoe.report.columns import columns_of
from minimoe.system.files import write_json

STUDENTS = 10  # of a round
TASKS = ["sst2", "mrpc", "stsb", "qqp", "mnli", "qnli", "rte", "conll2003"]
POINTS = 40  # of a curve
SEEDS, EXAMPLES = 3, 1000  # of a cell
SETTINGS = {  # that rounds differ in: values, and how many rounds have the same
    "learning_rate": ([1e-4, 2e-4, 3e-4, 5e-4, 1e-3], 1),
    "dropout": ([0.0, 0.05, 0.1, 0.15, 0.2], 5),
    "weight_decay": ([0.0, 0.01], 25),
}
SHAPES = [(layers, hidden, experts) for experts in (1, 2, 4, 8) for layers in (2, 3) for hidden in (72, 96)]


def run(folder: Path, models: int) -> dict:
    """Time, memory and disk of a report."""
    write(folder, models)
    seen = watch(write_a_report, folder, models)
    return {"models": models, "seconds": seen.seconds, "memory": seen.peak, "disk": disk(folder / "reports")}


def rounds(models: int) -> dict[str, dict]:
    """Rounds that have so many students together."""
    made: dict[str, dict] = {}
    for number in range(models):
        layers, hidden, experts = SHAPES[number % STUDENTS]
        of = made.setdefault(f"round-{number // STUDENTS}", {"teacher": "models/teacher", "students": {}})
        of |= {key: values[number // STUDENTS // step % len(values)] for key, (values, step) in SETTINGS.items()}
        shape = {"layers": layers, "hidden": hidden, "experts": {"ffn": experts}}
        of["students"][f"student-{number % STUDENTS}"] = shape
    return made


def names(models: int) -> list[str]:
    """The rows of the table."""
    students = [f"{name}/{student}" for name, round_ in rounds(models).items() for student in round_["students"]]
    return ["teacher", *students]


def write(folder: Path, models: int) -> None:
    """Write the metrics and answers of all stages."""
    rng = np.random.default_rng(0)
    for model in names(models):
        for task in TASKS:
            keys = [column.key for column in columns_of([task])]
            answers = {key: rng.random((SEEDS, EXAMPLES)) < rng.uniform(0.6, 0.8) for key in keys}
            results = {key: _result(found) for key, found in answers.items()}
            columns = {"column": np.repeat(keys, EXAMPLES), "gold": 1}
            columns |= {str(seed): np.concatenate([found[seed] for found in answers.values()]) for seed in range(SEEDS)}
            path = folder / f"predictions/{model}/{task}.parquet"
            path.parent.mkdir(parents=True, exist_ok=True)
            pd.DataFrame(columns).astype(dict.fromkeys(columns.keys() - {"column"}, "int32")).to_parquet(path)
            write_json(folder / f"metrics/finetune/{model}/{task}.json", {"results": results, "runs": []})
        counts = {"macs_128": 28_000_000, "params_total": 700_000, "params_active": 600_000}
        write_json(folder / f"metrics/cost/{model}.json", counts | {"latency_ms_b1": 2.5, "machine": "none"})
    (folder / "curves").mkdir(parents=True)
    for name, round_ in rounds(models).items():
        losses = {student: float(rng.uniform(0.1, 0.3)) for student in round_["students"]}
        distilled = {student: {"heldout_loss": loss, "steps": 100} for student, loss in losses.items()}
        write_json(folder / f"metrics/distill/{name}.json", distilled)
        rows = [
            {"student": student, "step": step, "train_loss": None, "heldout_loss": loss + 1 / (1 + step)}
            for student, loss in losses.items()
            for step in range(POINTS)
        ]
        pd.DataFrame(rows).to_csv(folder / f"curves/{name}.csv", index=False)


def _result(right: np.ndarray) -> dict:
    mean = round(100 * float(right.mean()), 4)
    return {"metric": "accuracy", "mean": mean, "std": 0.5, "runs": SEEDS, "majority": 50.0}


def write_a_report(folder: Path, models: int) -> None:
    """As the stage does."""
    from minimoe.params import load
    from minimoe.params.rounds import Round
    from minimoe.report.collect import collect
    from minimoe.report.page import write_report
    from minimoe.report.provenance import Provenance

    made = {name: Round.model_validate(values) for name, values in rounds(models).items()}
    results = collect(folder, names(models), TASKS, made, load().distill, length=128, batches=[1], seed=0)
    write_report(results, folder / "reports", Provenance())
