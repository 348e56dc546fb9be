"""Read the answers that cells have written, and check that they are those which the cells' scores are of."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
from pyarrow import parquet

from minimoe.bootstrap.replicates import Answers, scores
from minimoe.params.schema import TAUGHT
from minimoe.report.columns import Column
from minimoe.report.metrics import again, missing
from minimoe.system.errors import UserError

COLUMN, GOLD = "column", "gold"
TOLERANCE = 1e-3  # points; a score is written with four digits
TAGS = {"chunk_f1", "tag_accuracy"}


def stage_of(model: str, task: str) -> str:
    """The stage that makes a cell."""
    return f"taught@{model.removeprefix(TAUGHT)}-{task}" if model.startswith(TAUGHT) else f"finetune@{model}-{task}"


def read_answers(
    root: Path, models: Sequence[str], columns: Sequence[Column], table: pd.DataFrame
) -> Mapping[str, Answers]:
    """The answers of `models` for each column.

    table: the scores, by which they are checked: columns model, task, metric, mean, runs.
    Raises `UserError` for a file that is missing, not whole, or of another score or other examples.
    """
    rows = {(row.model, row.task): row for row in table.itertuples()}
    found: dict[str, Answers] = {}
    for model in models:
        for task in dict.fromkeys(column.task for column in columns):
            path, stage = root / f"predictions/{model}/{task}.parquet", stage_of(model, task)
            read = _read(path, stage)
            for key in (column.key for column in columns if column.task == task):
                _add(found, key, rows[model, key], *_of_column(read, key, rows[model, key].metric, path, stage), path)
    return found


def _read(path: Path, stage: str) -> pa.Table:
    try:
        read = parquet.read_table(path)
    except FileNotFoundError:
        raise missing(path, stage) from None
    except (OSError, pa.ArrowException) as error:
        raise UserError(f"{path}: not a parquet file ({str(error).splitlines()[0][:100]}); {again(stage)}") from None
    if not {COLUMN, GOLD} < set(read.column_names):
        raise UserError(
            f"{path}: expected columns {COLUMN}, {GOLD} and one a run, found {', '.join(read.column_names)}; "
            f"{again(stage)}"
        )
    return read


def _of_column(read: pa.Table, key: str, metric: str, path: Path, stage: str) -> tuple[np.ndarray, list[np.ndarray]]:
    """The right answers to a column's examples, and each run's."""
    own = read.filter(pa.array([name == key for name in read.column(COLUMN).to_pylist()], pa.bool_()))
    gold, *runs = (_array(own.column(name)) for name in own.column_names if name != COLUMN)
    wanted = (len(gold), 2) if metric in TAGS else gold.shape
    if not len(gold) or any(values.dtype.kind not in "iuf" for values in (gold, *runs)):
        raise UserError(f"{path}: expected numbers for {key}, found none or others; {again(stage)}")
    if any(run.shape != wanted or not np.isfinite(run).all() for run in runs):
        raise UserError(f"{path}: expected answers to {key} of the shape {wanted}, all finite; {again(stage)}")
    return gold, runs


def _array(column: pa.ChunkedArray) -> np.ndarray:
    """A column as an array [N], or of lists of one length [N, k]."""
    if pa.types.is_fixed_size_list(column.type):
        flat = column.combine_chunks().flatten()
        return flat.to_numpy(zero_copy_only=False).reshape(-1, column.type.list_size)
    return column.to_numpy()


def _add(found: dict[str, Answers], key: str, row, gold: np.ndarray, runs: list[np.ndarray], path: Path) -> None:
    """Add a model's answers to a column, once they give its score."""
    stage = stage_of(row.model, path.stem)
    value = float(np.mean(scores(Answers(row.metric, gold, [runs]))))
    if len(runs) != row.runs or abs(value - row.mean) > TOLERANCE:
        raise UserError(
            f"{path}: the answers to {key} score {value:.3f} in {len(runs)} runs, and the cell's metrics say "
            f"{row.mean:.3f} in {row.runs}; {again(stage)}"
        )
    known = found.setdefault(key, Answers(row.metric, gold, []))
    if not np.array_equal(known.gold, gold) or known.metric != row.metric:
        raise UserError(f"{path}: the right answers to {key} are others than in the files before it; run: dvc repro")
    known.runs.append(runs)
