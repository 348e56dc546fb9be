"""Plans of the shipped profiles at made-up speeds, so that no trial runs."""

from pathlib import Path

import pytest

from minimoe.params import Params
from minimoe.pipeline.profiles import load_profile
from minimoe.plan import sizes, stages
from minimoe.plan.models import Models
from minimoe.plan.row import Row, Run
from minimoe.plan.timing import MEASURED, Rates
from tests.hub.conftest import plain_hub  # noqa: F401

ROOT = Path(__file__).parents[2]
RATES = Rates(
    basis=MEASURED, products={"fp32": 1e12, "fp16": 2e12, "bf16": 2e12}, precision="fp32", teacher=8e11, dense=4e11,
    experts=2e11, learner=1e-4, finetune=1e11, step=0.01, start=4.0, format=1e7, records=1e6,
)  # fmt: skip


def profile(name: str = "sample", **changes) -> Params:
    """A profile; a change such as `distill__epochs=1` goes through validation as an edit of the file does."""
    values = load_profile(name, ROOT).model_dump(exclude_unset=True)
    for key, value in changes.items():
        *sections, last = key.split("__")
        inner = values
        for section in sections:
            inner = inner[section]
        inner[last] = value
    return Params.model_validate(values)


COUNTED: dict[str, dict] = {}  # what was counted already, by all that it depends on


def models_of(params: Params, root: Path, done) -> Models:
    distill = params.distill.model_dump(include={"objective", "teacher_layer", "relation_heads", "relation_weights"})
    rounds = params.model_dump(include={"rounds", "teacher", "teachers", "sparsify"})
    key = f"{root} {sorted(done)} {params.corpus.records.max_length} {distill} {rounds}"
    return Models(params, root, done, COUNTED.setdefault(key, {}))


def run_of(params: Params, root: Path = ROOT, done=frozenset(), rates=RATES, device="cpu", devices=1, gpus=0) -> Run:
    tasks = {task: sizes.examples(task, params, root, done) for task in params.table.tasks}
    corpus = sizes.corpus(params, root, done, online=False)
    return Run(params, root, done, models_of(params, root, done), corpus, tasks, rates, device, devices, gpus)


def rows_of(*args, **options) -> dict[str, Row]:
    return {row.stage: row for row in stages.rows(run_of(*args, **options))}


@pytest.fixture(scope="session")
def sample() -> Run:
    return run_of(profile())
