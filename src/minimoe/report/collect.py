"""Collect all metric files into one `Results`. Which files is known from params; folders are never searched.

So no stale file gets into a report, and a missing one is an error that names the cell and the command that makes it.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from zlib import crc32

import numpy as np
import pandas as pd

from minimoe.bootstrap.luck import Luck
from minimoe.bootstrap.replicates import REPLICATES, Answers, replicates
from minimoe.params.rounds import Distill, Round
from minimoe.params.schema import TAUGHT
from minimoe.report.columns import Column, columns_of
from minimoe.report.metrics import Metrics, again, missing
from minimoe.report.models import Model, is_teacher
from minimoe.report.predictions import read_answers, stage_of
from minimoe.report.seeds import SeedGroup, seed_groups
from minimoe.report.students import read_model
from minimoe.system.errors import UserError
from minimoe.tasks.task import Task

SCORES = (-100, 100)  # correlations may be below 0
SPANS = {"mean": SCORES, "std": (0, 200), "runs": (1,), "majority": SCORES}
RUN_COLUMNS = ["model", "task", "seed", "learning_rate"]
CURVE_COLUMNS = ["student", "step", "train_loss", "heldout_loss"]


@dataclass(frozen=True, eq=False)  # each is equal to itself alone, so that what follows from it can be kept
class Results:
    """Everything that a report says. Scores are 0-100; rows are in the order of the table."""

    models: dict[str, Model]
    columns: list[Column]
    # results.csv: model, task (a column's key), metric, mean, std, runs, and the learning rate that was chosen
    scores: pd.DataFrame
    majority: dict[str, float]  # by column: the score of always answering the majority label
    costs: pd.DataFrame  # the columns of models.csv from the cost stage; the index is the model
    curves: pd.DataFrame  # round, student, step, train_loss, heldout_loss
    runs: pd.DataFrame  # all of finetuning: model, task, seed, learning_rate
    machines: list[str]  # that measured the latencies
    answers: Mapping[str, Answers]  # by column: those of the models, in their order
    seed: int  # the run's, from which the replicates' draws follow
    exported: pd.DataFrame = field(default_factory=pd.DataFrame)  # exported.csv, as `exported.collect_exported` says

    @cached_property
    def finetuned(self) -> pd.DataFrame:
        """The scores by which models are compared: those after finetuning, or all where no task is finetuned on."""
        keys = [column.key for column in self.columns if column.trained]
        return self.scores[self.scores.task.isin(keys)] if keys else self.scores

    @property
    def seeds(self) -> list[int]:
        """Of finetuning; none where no column is finetuned."""
        return list(dict.fromkeys(self.runs.seed))

    @property
    def untrained(self) -> list[str]:
        """The names of the columns of tasks that nothing is trained on."""
        return [column.name for column in self.columns if not column.trained]

    @cached_property
    def as_they_are(self) -> "Results":
        """The same models by the scores of `untrained` columns alone."""
        columns = [column for column in self.columns if not column.trained]
        scores = self.scores[self.scores.task.isin([column.key for column in columns])]
        return replace(self, columns=columns, scores=scores)

    @cached_property
    def by_task(self) -> pd.DataFrame:
        """The scores by which models are compared: a row a model, a column a task, the mean of its columns."""
        tasks = self.finetuned.task.map({column.key: column.task for column in self.columns})
        means = self.finetuned.assign(task=tasks).groupby(["model", "task"])["mean"].mean().unstack()
        return means.loc[list(self.models), list(dict.fromkeys(tasks))]

    @cached_property
    def replicates(self) -> np.ndarray:
        """Bootstrap replicates of `by_task` [models, tasks, replicates]; a task's are the same in any table."""
        compared = set(self.finetuned.task)
        made = [
            replicates(
                [self.answers[column.key] for column in self.columns if column.task == task and column.key in compared],
                [self.seed, crc32(task.encode())],
                REPLICATES,
            )
            for task in self.by_task.columns
        ]
        return np.stack(made, 1)

    @cached_property
    def groups(self) -> list[SeedGroup]:
        """The students, those together that differ by their seed alone."""
        return seed_groups(self.models.values())

    @property
    def several(self) -> list[SeedGroup]:
        """The groups of several seeds."""
        return [group for group in self.groups if group.several]

    @cached_property
    def luck(self) -> Luck:
        """That of the distillation of `several`."""
        place = {model: row for row, model in enumerate(self.models)}
        groups = {group.name: [place[name] for name in group.names] for group in self.several}
        return Luck(self.replicates, self.by_task.to_numpy(), groups, self.seed)

    @cached_property
    def costs_by_model(self) -> dict[str, pd.Series]:
        """The rows of `costs`."""
        return dict(self.costs.iterrows())


def collect(
    root: str | Path, models: Sequence[str], tasks: Sequence[str], rounds: Mapping[str, Round], distill: Distill,
    length: int, batches: Sequence[int], seed: int, task_teacher: str = "",
    own: Mapping[str, Task] = MappingProxyType({}),
) -> Results:  # fmt: skip
    """Read the results of `models` on `tasks` from root/metrics, root/curves and root/predictions.

    distill: the settings of rounds that do not say otherwise.
    length, batches: those of the cost stage, which name its numbers.
    seed: the run's, of the bootstrap's draws and of students without a seed of their own.
    task_teacher: the row that teaches those whose names begin with `taught/`.
    own: those of the tasks that are the user's own.
    Raises `UserError` for a cell that is missing or not whole.
    """
    root = Path(root)
    columns = columns_of(tasks, own)
    cells = [
        (model, task, Metrics.read(root / f"metrics/finetune/{model}/{task}.json", stage_of(model, task)))
        for model in models
        for task in tasks
    ]
    scores = pd.DataFrame([row for cell in cells for row in _rows(columns, *cell)])
    order = {column.key: place for place, column in enumerate(columns)}
    scores = scores.sort_values(
        ["model", "task"], key=lambda names: names.map({m: i for i, m in enumerate(models)} | order)
    ).reset_index(drop=True)
    own = {model: model.removeprefix(TAUGHT) for model in models}
    costs = {model: Metrics.read(root / f"metrics/cost/{name}.json", f"cost@{name}") for model, name in own.items()}
    least = dict.fromkeys([f"macs_{length}", "params_total", "params_active"], 1)
    least |= {f"latency_ms_b{batch}": 0.001 for batch in batches}
    numbers = [
        {"model": m} | {name: cost.number(name, low) for name, low in least.items()} for m, cost in costs.items()
    ]
    used = list(dict.fromkeys(name.partition("/")[0] for name in own.values() if not is_teacher(name)))
    described = {model: read_model(root, name, rounds, distill, seed) for model, name in own.items()}
    return Results(
        models={
            model: replace(one, name=model, task_teacher=task_teacher * (model != one.name))
            for model, one in described.items()
        },
        columns=columns,
        scores=scores.drop(columns="majority"),
        majority=_majority(scores),
        costs=pd.DataFrame(numbers).set_index("model"),
        curves=_curves(root, used, models),
        runs=pd.DataFrame(_runs(columns, cells), columns=RUN_COLUMNS),
        machines=list(dict.fromkeys(cost.text("machine") for cost in costs.values())),
        answers=read_answers(root, models, columns, scores),
        seed=seed,
    )


def _runs(columns: list[Column], cells: list[tuple[str, str, Metrics]]) -> Iterator[tuple]:
    """The rows of `Results.runs`."""
    trained = {column.task for column in columns if column.trained}
    for model, task, cell in cells:
        for run in cell.part("runs").parts() if task in trained else ():
            yield model, task, run.number("seed"), run.number("learning_rate", 0)


def _rows(columns: Sequence[Column], model: str, task: str, cell: Metrics) -> list[dict]:
    """The rows of results.csv that one finetune file gives, with the majority's score beside them."""
    rows = []
    for column in (column for column in columns if column.task == task):
        result = cell.part("results").part(column.key)
        values = {key: result.number(key, *span) for key, span in SPANS.items()}
        values["learning_rate"] = cell.number("learning_rate", 0) if column.trained else math.nan
        rows.append({"model": model, "task": column.key, "metric": result.text("metric"), **values})
    return rows


def _curves(root: Path, rounds: Sequence[str], models: Sequence[str]) -> pd.DataFrame:
    """The curves of the table's students; one that never trained has none."""
    tables = [pd.DataFrame(columns=["round", *CURVE_COLUMNS])]
    for name in rounds:
        path = root / f"curves/{name}.csv"
        if not path.is_file():
            raise missing(path, f"distill@{name}")
        try:
            table = pd.read_csv(path)[CURVE_COLUMNS]
            table[CURVE_COLUMNS[1:]].apply(pd.to_numeric)
        except (ValueError, KeyError) as error:
            raise UserError(
                f"{path}: expected columns {', '.join(CURVE_COLUMNS)} ({error}); {again(f'distill@{name}')}"
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
