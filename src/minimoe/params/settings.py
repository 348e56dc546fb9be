"""Read a stage's settings file, which the stage `settings` wrote: the keys that it reads, and no other.

Stages make what they are set to from these alone, so that a key which is missing is an error, never a stale result.
"""

import json
from pathlib import Path

from minimoe.params.rounds import Distill, Round
from minimoe.system.errors import UserError

FOLDER = "data/settings"


def settings(name: str, root: str | Path = ".") -> dict:
    """The settings of a piece of work, such as `rounds/base`; `UserError` where the stage `settings` has not run."""
    path = Path(root, FOLDER, f"{name}.json")
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        raise UserError(f"{path}: missing or damaged; make it again with: dvc repro -f settings") from None


def round_of(values: dict) -> tuple[Round, list[Distill]]:
    """A round and the settings of its phases, from its file; the latter have those keys alone that the file has."""
    round_ = Round.model_validate({key: value for key, value in values.items() if key != "seed"})
    return round_, round_.phases(Distill.model_construct())
