"""Predictions that are not those of the scores beside them are one line that names the file and the remedy."""

import numpy as np
import pandas as pd
import pytest

from minimoe.system.errors import UserError

FILE = "predictions/base/minilm/rte.parquet"


def change(tree, edit) -> None:
    """Edit the table of one cell, after all were written."""
    tree.collect()
    table = pd.read_parquet(tree.root / FILE)
    edited = edit(table)
    (table if edited is None else edited).to_parquet(tree.root / FILE, index=False)


def check(tree, expected: str, remedy: str = "dvc repro -f 'finetune@base/minilm-rte'") -> None:
    with pytest.raises(UserError, match=expected) as error:
        tree.collect()
    assert str(error.value).startswith(str(tree.root / FILE)) and str(error.value).endswith(remedy)
    assert "\n" not in str(error.value)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("edit", "expected"),
    [
        (lambda t: t.drop(columns="gold"), "expected columns column, gold and one a run, found column, 0, 1, 2"),
        (lambda t: t[["column", "gold"]], "expected columns"),
        (lambda t: t.assign(column="sst2"), "expected numbers for rte, found none"),
        (lambda t: t.assign(gold="entailment"), "expected numbers for rte, found none or others"),
        (lambda t: t.assign(**{"0": np.nan}), "expected answers to rte of the shape"),
        (lambda t: t.drop(columns="2"), "in 2 runs, and the cell's metrics say .* in 3"),
        (
            lambda t: t.assign(**{"1": 1 - t["1"]}),
            r"the answers to rte score 5\d\.\d+ in 3 runs, and the cell's metrics",
        ),
        (lambda t: t[:500], "the answers to rte score 100"),
    ],
)
def test_a_table_that_is_not_the_scores(tree, edit, expected):
    change(tree, edit)
    check(tree, expected)


def test_answers_to_other_examples(tree):
    change(tree, lambda t: pd.concat([t, t]))
    check(tree, "are others than in the files before it", "run: dvc repro")


def test_no_file(tree):
    tree.collect()
    (tree.root / FILE).unlink()
    check(tree, "missing, and the table needs it", "dvc repro 'finetune@base/minilm-rte'")


def test_a_file_that_is_no_table(tree):
    tree.collect()
    (tree.root / FILE).write_bytes(b"nothing")
    check(tree, "not a parquet file")
