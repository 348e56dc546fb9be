"""MLflow trouble: training goes on."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path

from faults.pipeline import params, write_params
from faults.runs import Run
from faults.trial import Reference, Row, Strike

STAGES = ["distill@base", "finetune@base/dense-rte"]
CLOSED = "http://127.0.0.1:9"  # where nobody listens


def mlflow(reference: Reference, count: int) -> list[Row]:
    """Lock MLflow's database, delete it while a round trains, and name a server that is not there."""
    ways = {"locked": _locked, "missing": partial(_deleted, reference), "unreachable": _unreachable}
    rows = []
    for name, fault in list(ways.items())[:count]:
        row = Row(f"MLflow's {'server' if name == 'unreachable' else 'database'} {name}")
        reference.strike(row, STAGES, fault, stops=False)
        rows.append(row)
    return rows


@contextmanager
def _locked(folder: Path) -> Iterator[Strike]:
    with closing(sqlite3.connect(folder / "work/mlflow.db", isolation_level=None)) as database:
        database.execute("BEGIN EXCLUSIVE")
        yield Strike(_failed)
        database.execute("ROLLBACK")


@contextmanager
def _deleted(reference: Reference, folder: Path) -> Iterator[Strike]:
    def delete(run: Run) -> None:
        run.until(STAGES, reference.seconds[STAGES[0]] / 2)
        (folder / "work/mlflow.db").unlink()

    yield Strike(_failed, delete)


@contextmanager
def _unreachable(folder: Path) -> Iterator[Strike]:
    values = params()
    values["runtime"]["tracking"]["uri"] = CLOSED
    write_params(folder, values)
    yield Strike(_failed)
    write_params(folder, params())


def _failed(run: Run, code: int) -> bool:
    """Whether a request of MLflow's failed, and the work went on."""
    return "MLflow: " in run.text
