"""A loss that is no number any more: training says at which step, and the last good state is kept."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from faults.pipeline import params, write_params
from faults.trial import Reference, Row, Strike

NONE = r"\b(nan|inf|no number|NaN)\b"  # what the run says of a number that is none
HUGE = 1e39  # more than float32 holds
ABSURD = {  # weights in the loss that no training survives
    "distill@sparse": {"relation_weights": [HUGE, 0.0, 0.0]},
    "distill@base": {"load_balance": HUGE},
}


def nan(reference: Reference, count: int) -> list[Row]:
    """Train with an absurd weight in the loss, then with the right one."""
    row = Row("a loss that is NaN", "by an absurd weight in it")
    for stage in list(ABSURD)[:count]:
        # what the params say is written anew: `settings` runs again, rightly
        reference.strike(row, ["settings", stage], partial(_absurd, ABSURD[stage]), stops=True)
    return [row]


@contextmanager
def _absurd(weights: dict, folder: Path) -> Iterator[Strike]:
    values = params()
    values["distill"] |= weights
    write_params(folder, values)
    yield Strike(lambda run, code: bool(code) and re.search(NONE, run.text) is not None)
    write_params(folder, params())
