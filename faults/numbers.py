"""A loss that is no number any more: training says at which step, and the last good state is kept."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from faults.pipeline import params, write_params
from faults.trial import Reference, Row, Strike

NONE = r"\b(nan|inf|no number)\b"  # what the run says of a number that is none
SETTINGS = {  # where a rate is set that no training survives
    "teacher": ("teacher", "pretrain"),
    "distill@base": ("distill",),
}


def nan(reference: Reference, count: int) -> list[Row]:
    """Train with an absurd learning rate, then with the right one."""
    row = Row("a loss that is NaN", "by an absurd learning rate")
    for stage in list(SETTINGS)[:count]:
        reference.strike(row, [stage], partial(_absurd, SETTINGS[stage]), stops=True)
    return [row]


@contextmanager
def _absurd(place: tuple[str, ...], folder: Path) -> Iterator[Strike]:
    values = params()
    section = values
    for key in place:
        section = section[key]
    section["learning_rate"] = 1e30
    write_params(folder, values)
    yield Strike(lambda run, code: bool(code) and re.search(NONE, run.text) is not None)
    write_params(folder, params())
