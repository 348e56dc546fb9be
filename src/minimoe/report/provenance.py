"""Date, commit and kind of data of a report. They are on the page alone, so that tables are the same at every run."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from minimoe.system.git import commit

SAMPLE = ("data", "sample")  # its texts and tasks are made up


@dataclass(frozen=True)
class Provenance:
    """Of one run of the report."""

    date: str = ""  # yyyy-mm-dd
    commit: str = ""  # that is checked out, and whether files differ from it; empty outside of git
    invented: tuple[str, ...] = ()  # what is made up: corpus, GLUE …


def provenance(inputs: Mapping[str, str]) -> Provenance:
    """Of a report that is made now, in this folder, from these files of the user's by what they are for."""
    invented = tuple(name for name, path in inputs.items() if Path(path).parts[: len(SAMPLE)] == SAMPLE)
    return Provenance(date.today().isoformat(), commit("dvc.lock"), invented)
