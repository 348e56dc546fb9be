"""Metric files → one `Results`. What the table needs is known from params; a folder is never searched.

So a stale file cannot slip into a report, and a missing one is an error that names the cell and the command
that makes it.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pandas as pd

from minimoe.errors import UserError
from minimoe.params.rounds import Distill, Round
from minimoe.report.columns import Column, columns_of
from minimoe.report.models import Model, describe, is_chosen, is_teacher

CURVE_COLUMNS = ["student", "step", "train_loss", "heldout_loss"]


@dataclass(frozen=True, eq=False)  # each is equal to itself alone, so that what follows from it can be kept
class Results:
    """Everything that a report says. Scores are 0-100; rows are in the order of the table."""

    models: dict[str, Model]
    columns: list[Column]
    scores: pd.DataFrame  # results.csv: model, task, metric, mean, std, runs; `task` is a column's key
    majority: dict[str, float]  # by column: the score of always answering the majority label
    costs: pd.DataFrame  # the columns of models.csv from the cost stage; the index is the model
    curves: pd.DataFrame  # round, student, step, train_loss, heldout_loss

    @cached_property
    def by_model(self) -> dict[str, pd.DataFrame]:
        """By model its mean scores, a row a column of the table, with the column's task beside it."""
        tasks = {column.key: column.task for column in self.columns}
        rows = self.scores.assign(task=self.scores.task.map(tasks))
        return {model: own[["task", "mean"]] for model, own in rows.groupby("model")}

    @cached_property
    def costs_by_model(self) -> dict[str, pd.Series]:
        """The rows of `costs`."""
        return dict(self.costs.iterrows())


def collect(
    root: str | Path, models: Sequence[str], tasks: Sequence[str], rounds: Mapping[str, Round], distill: Distill,
    length: int, batches: Sequence[int],
) -> Results:  # fmt: skip
    """Read the metrics of `models` on `tasks` from root/metrics and root/curves.

    distill: the settings of rounds that do not say otherwise.
    length, batches: those of the cost stage, which name its numbers.
    Raises `UserError` for a cell that is missing or not whole.
    """
    root = Path(root)
    columns = columns_of(tasks)
    scores = pd.DataFrame([row for model in models for task in tasks for row in _cell(root, model, task)])
    order = {column.key: place for place, column in enumerate(columns)}
    scores = scores.sort_values(
        ["model", "task"], key=lambda names: names.map({m: i for i, m in enumerate(models)} | order)
    ).reset_index(drop=True)
    used = list(dict.fromkeys(model.partition("/")[0] for model in models if not is_teacher(model)))
    return Results(
        models={model: _model(root, model, rounds, distill) for model in models},
        columns=columns,
        scores=scores.drop(columns="majority"),
        majority=_majority(scores),
        costs=pd.DataFrame([_costs(root, model, length, batches) for model in models]).set_index("model"),
        curves=_curves(root, used, models),
    )


def _cell(root: Path, model: str, task: str) -> list[dict]:
    """The rows of results.csv that one finetune file gives, with the majority's score beside them."""
    path, stage = root / f"metrics/finetune/{model}/{task}.json", f"finetune@{model}-{task}"
    results = _get(_json(path, stage), "results", path, stage)
    rows = []
    for column in columns_of([task]):
        result = _get(results, column.key, path, stage)
        values = {key: _number(result, key, path, stage) for key in ("mean", "std", "runs", "majority")}
        rows.append({"model": model, "task": column.key, "metric": _get(result, "metric", path, stage), **values})
    return rows


def _model(root: Path, name: str, rounds: Mapping[str, Round], distill: Distill) -> Model:
    if is_teacher(name):
        return Model(name)
    round_, _, student = name.partition("/")
    path, stage = root / f"metrics/distill/{round_}.json", f"distill@{round_}"
    metrics = _get(_json(path, stage), student, path, stage)
    for key in ("steps", "heldout_loss", *(["sparsity"] if is_chosen(name, rounds) else [])):
        _number(metrics, key, path, stage)
    return describe(name, rounds, distill, metrics)


def _costs(root: Path, model: str, length: int, batches: Sequence[int]) -> dict:
    path = root / f"metrics/cost/{model}.json"
    metrics = _json(path, f"cost@{model}")
    latencies = [f"latency_ms_b{batch}" for batch in batches]
    names = [f"macs_{length}", "params_total", "params_active", *latencies]
    return {"model": model} | {name: _number(metrics, name, path, f"cost@{model}") for name in names}


def _curves(root: Path, rounds: Sequence[str], models: Sequence[str]) -> pd.DataFrame:
    """The curves of the table's students; one that never trained has none."""
    tables = [pd.DataFrame(columns=["round", *CURVE_COLUMNS])]
    for name in rounds:
        path = root / f"curves/{name}.csv"
        if not path.is_file():
            raise _missing(path, f"distill@{name}")
        try:
            table = pd.read_csv(path)[CURVE_COLUMNS]
            table[CURVE_COLUMNS[1:]].apply(pd.to_numeric)
        except (ValueError, KeyError) as error:
            raise UserError(
                f"{path}: expected columns {', '.join(CURVE_COLUMNS)} ({error}); {_again(f'distill@{name}')}"
            ) from None
        tables.append(table[[f"{name}/{student}" in models for student in table.student]].assign(round=name))
    return pd.concat([table for table in tables if len(table)] or tables, ignore_index=True)


def _majority(scores: pd.DataFrame) -> dict[str, float]:
    """The majority's score of each column, which every model's cell must agree on."""
    spread = scores.groupby("task", sort=False)["majority"].agg(["min", "max"])
    for task, row in spread[spread["max"] - spread["min"] > 1e-6].iterrows():
        raise UserError(
            f"metrics/finetune: the majority's score on {task} is {row['min']} in one model's file and "
            f"{row['max']} in another's, so they were measured on different data; run: dvc repro"
        )
    return spread["min"].to_dict()


def _json(path: Path, stage: str) -> dict:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise _missing(path, stage) from None
    except ValueError as error:
        raise UserError(f"{path}: not valid JSON ({error}); {_again(stage)}") from None


def _number(metrics: dict, key: str, path: Path, stage: str) -> int | float | None:
    value = _get(metrics, key, path, stage)
    if not isinstance(value, int | float | None):
        raise UserError(f"{path}: {key}: expected a number, got {value!r}; {_again(stage)}")
    return value


def _get(metrics: dict, key: str, path: Path, stage: str) -> object:
    if not isinstance(metrics, dict):
        raise UserError(f"{path}: expected {key!r} and more, got {metrics!r}; {_again(stage)}")
    if key not in metrics:
        raise UserError(f"{path}: expected {key!r}, found {', '.join(metrics)}; {_again(stage)}")
    return metrics[key]


def _again(stage: str) -> str:
    return f"make it again with: dvc repro -f '{stage}'"


def _missing(path: Path, stage: str) -> UserError:
    return UserError(f"{path}: missing, and the table needs it; make it with: dvc repro '{stage}'")
