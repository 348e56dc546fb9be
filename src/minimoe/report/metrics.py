"""Read a stage's metrics file: every value is checked when it is used, and errors name file, key and remedy."""

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from minimoe.system.errors import UserError


@dataclass(frozen=True)
class Metrics:
    """What a metrics file holds, or a part of it under some keys.

    Every method raises `UserError` where the file does not hold what is asked for.
    """

    path: Path
    stage: str  # that makes the file
    values: object
    keys: tuple[str | int, ...] = ()  # that lead to `values`

    @classmethod
    def read(cls, path: Path, stage: str) -> "Metrics":
        """The whole of a JSON file."""
        try:
            return cls(path, stage, json.loads(path.read_text(encoding="utf-8")))
        except FileNotFoundError:
            raise missing(path, stage) from None
        except ValueError as error:
            raise UserError(f"{path}: not valid JSON ({error}); {again(stage)}") from None

    def get(self, key: str) -> object:
        """The value of a key, whatever it is."""
        if not isinstance(self.values, dict):
            self.refuse("", f"expected {key!r} and more, got {self.values!r}")
        if key not in self.values:
            self.refuse("", f"expected {key!r}, found {', '.join(self.values)}")
        return self.values[key]

    def has(self, key: str) -> bool:
        """Whether the key is there, with a value."""
        return isinstance(self.values, dict) and self.values.get(key) is not None

    def part(self, key: str) -> "Metrics":
        """What stands under a key."""
        return self._at(key, self.get(key))

    def parts(self) -> list["Metrics"]:
        """The entries of a list."""
        if not isinstance(self.values, list):
            self.refuse("", f"expected a list, got {self.values!r}")
        return [self._at(place, value) for place, value in enumerate(self.values)]

    def by_key(self) -> dict[str, "Metrics"]:
        """The entries under all keys."""
        if not isinstance(self.values, dict):
            self.refuse("", f"expected keys and values, got {self.values!r}")
        return {key: self._at(key, value) for key, value in self.values.items()}

    def number(self, key: str, low: float = -math.inf, high: float = math.inf) -> int | float:
        """A finite number from low to high under a key."""
        return self.part(key).as_number(low, high)

    def as_number(self, low: float = -math.inf, high: float = math.inf) -> int | float:
        """Itself, as a finite number from low to high."""
        value = self.values
        known = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
        if not known or not low <= value <= high:
            span = f" from {low:g} to {high:g}" if math.isfinite(high) else f" of at least {low:g}"
            self.refuse("", f"expected a number{span if math.isfinite(low) else ''}, got {value!r}")
        return value

    def text(self, key: str) -> str:
        """A text under a key."""
        value = self.get(key)
        if not isinstance(value, str):
            self.refuse(key, f"expected a text, got {value!r}")
        return value

    def refuse(self, key: str, problem: str) -> NoReturn:
        """Raise the error of a key, or with "" of the whole."""
        where = ".".join(str(part) for part in (*self.keys, key) if part != "")
        raise UserError(f"{self.path}: {where}{': ' if where else ''}{problem}; {again(self.stage)}")

    def _at(self, key: str | int, value: object) -> "Metrics":
        return Metrics(self.path, self.stage, value, (*self.keys, key))


def again(stage: str) -> str:
    """What to do about a file that is not whole."""
    return f"make it again with: dvc repro -f '{stage}'"


def missing(path: Path, stage: str) -> UserError:
    """The error of a file that is not there."""
    return UserError(f"{path}: missing, and the table needs it; make it with: dvc repro '{stage}'")
