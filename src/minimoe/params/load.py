"""params.yaml → `Params`, with every problem of the file in one error."""

import difflib
from pathlib import Path
from typing import get_args

from pydantic import BaseModel, ValidationError
from ruamel.yaml import YAML, YAMLError

from minimoe.errors import UserError
from minimoe.params.schema import Params


def load(path: str | Path = "params.yaml") -> Params:
    """Read and check a params file.

    Raises `UserError` with one line that names every wrong key, what was expected and what came.
    """
    path = Path(path)
    try:
        values = YAML(typ="safe").load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; copy one of profiles/ there") from None
    except (YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: not valid YAML: {' '.join(str(error).split())}") from None
    if not isinstance(values, dict):
        raise UserError(f"{path}: expected sections such as 'corpus:', got {type(values).__name__}")
    try:
        return Params.model_validate(values)
    except ValidationError as error:
        problems = [line for item in error.errors() for line in _lines(item)]
        raise UserError(f"{path}: " + "; ".join(dict.fromkeys(problems))) from None


def _lines(item: dict) -> list[str]:
    """One problem of pydantic's as lines of `key: what was expected, what came`."""
    # pydantic puts names of union members and functions into the location; keys of the file have none of these
    location = [str(part) for part in item["loc"] if not _is_type(part)]
    key = ".".join(location)
    match item["type"]:
        case "extra_forbidden":
            near = difflib.get_close_matches(location[-1], _siblings(location[:-1]), n=1, cutoff=0.5)
            hint = f"; did you mean {near[0]!r}?" if near else f"; known here: {', '.join(_siblings(location[:-1]))}"
            return [f"{key}: unknown key{hint}"]
        case "missing":
            return [f"{key}: missing"]
        case "value_error":
            prefix = f"{key}." if key else ""
            return [prefix + line for line in str(item["ctx"]["error"]).splitlines()]
        case _:
            expected = item["msg"].removeprefix("Input should be ").removeprefix("a valid ")
            return [f"{key}: expected {expected}, got {item['input']!r}"]


def _is_type(part: object) -> bool:
    return isinstance(part, str) and (
        part in {"int", "str", "float", "[key]"} or part.startswith(("literal[", "constrained-"))
    )


def _siblings(location: list[str]) -> list[str]:
    """The keys that the schema knows at `location`."""
    section = Params
    for part in location:
        fields = getattr(section, "model_fields", {})
        section = _model_in(fields[part].annotation) if part in fields else section
    return list(section.model_fields)


def _model_in(annotation: object) -> type[BaseModel]:
    """The section class inside `annotation`, looking through optionals and dicts."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for arg in get_args(annotation) if (found := _model_in(arg))), None)
