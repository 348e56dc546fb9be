"""Load and validate params.yaml; all problems of the file are reported in one error."""

import difflib
import errno
import json
from operator import attrgetter
from pathlib import Path
from typing import get_args

from pydantic import BaseModel, ValidationError
from ruamel.yaml import YAML, Node, ScalarNode, SequenceNode, YAMLError

from minimoe.params.base import UNDOTTED
from minimoe.params.schema import Params
from minimoe.system.errors import LONGEST_REASON, UserError


def load(path: str | Path = "params.yaml") -> Params:
    """Read and check a params file.

    Raises `UserError` with one line that names every wrong key, what was expected and what came.
    """
    return parse(read(path), path)


def read(path: str | Path) -> str:
    """The text of a params file; raises `UserError` where it cannot be read."""
    path = Path(path)
    try:
        return _text(path)
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; `minimoe profile sample` writes one") from None
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}; expected a file that can be read") from None
    except ValueError as error:
        raise UserError(f"{path}: not valid YAML: {error}") from None


def parse(text: str, path: str | Path) -> Params:
    """As `load`, of a text that is, or becomes, the file at `path`."""
    try:
        values = _values(text)
    except (YAMLError, ValueError) as error:
        raise UserError(f"{path}: not valid YAML: {' '.join(str(error).split())[:LONGEST_REASON]}") from None
    if not isinstance(values, dict):
        raise UserError(f"{path}: expected sections such as 'corpus:', got {type(values).__name__}")
    try:
        return Params.model_validate(values)
    except ValidationError as error:
        raise UserError(f"{path}: " + "; ".join(_problems(error))) from None


def _text(path: Path) -> str:
    """The file's text; `OSError` or `ValueError` where it is none."""
    if path.exists() and not path.is_file():
        raise OSError(errno.EISDIR, "not a file")
    with path.open("rb") as file:
        content = file.read(MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        raise ValueError(f"expected at most {MOST_BYTES:,} bytes")
    return content.decode("utf-8")


def _values(text: str) -> object:
    """What the YAML says, once its size is known to be sensible; `ValueError` for a scalar that is not of its tag."""
    root = YAML(typ="safe").compose(text)
    scalars = _scalars(root)
    try:
        return YAML(typ="safe").load(text)
    except YAMLError:
        raise
    except Exception:  # the constructors of numbers and dates let everything through
        for node in scalars:
            try:
                YAML(typ="safe").load(f"!<{node.tag}> {json.dumps(node.value)}")
            except Exception:
                kind = str(node.tag).rpartition(":")[2]
                line = node.start_mark.line + 1
                raise ValueError(f"line {line}: expected {NOUNS.get(kind, kind)}, got {_short(node.value)!r}") from None
        raise ValueError("a tag that does not fit its value") from None


def _scalars(root: Node | None) -> list[ScalarNode]:
    """The scalars below a node; `ValueError` where aliases make of it more than any settings are, or one is that long.

    Aliases are followed as often as they stand, since that is what checking the settings would do.
    """
    scalars, stack, seen = [], [root] if root else [], 0
    while stack:
        node, seen = stack.pop(), seen + 1
        if seen > MOST_VALUES:
            raise ValueError(f"expected at most {MOST_VALUES:,} values, aliases (*) counted as often as they stand")
        if isinstance(node, ScalarNode):
            if len(node.value) > LONGEST_VALUE:
                shown = _short(node.value)
                line = node.start_mark.line + 1
                raise ValueError(f"line {line}: expected at most {LONGEST_VALUE:,} characters, got {shown!r}")
            scalars.append(node)
        else:
            parts = node.value if isinstance(node, SequenceNode) else [part for pair in node.value for part in pair]
            stack += parts
    return scalars


def named(params: Params, key: str, name: str) -> str:
    """`name` where it is one of those at `key`: a name on a command line goes on into paths."""
    known = attrgetter(key)(params)
    if name not in known:
        raise UserError(f"{key}: expected one of {', '.join(known)}; got {name!r}")
    return name


MOST_BYTES, MOST_VALUES, LONGEST_VALUE = 1 << 20, 100_000, 1000  # of a params file; characters of a value in it
NOUNS = {"int": "a whole number", "float": "a number", "bool": "true or false", "timestamp": "a date"}
LONGEST = 120  # characters of a key or a value in a message

# What pydantic expected, in words, by the type of its error …
EXPECTED = {
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "string_type": "text",
    "list_type": "a list in [ ]",
    "dict_type": "keys and values",
    "model_type": "keys and values",
    "too_short": "a list of at least {min_length}",
    "too_long": "a list of at most {max_length}",
    "greater_than_equal": "at least {ge}",
    "less_than_equal": "at most {le}",
    "greater_than": "more than {gt}",
    "less_than": "less than {lt}",
    "literal_error": "{expected}",
    "string_too_long": "at most {max_length} characters",
    "finite_number": "a finite number",
}
OWN_FILE = "a file below own_tasks' path that ends in .csv, .tsv, .jsonl or .conll"
# … and for a text of a wrong form, by the key, or the whole of it; any other key with a form is a name of the user's
FORMS = {
    "source": "local, wikipedia, hub, or an http(s):// or file:// URL",
    "wiki": "a wiki's name such as simplewiki",
    "date": "latest or yyyymmdd",
    "language": "an ISO code such as en",
    "teacher": "models/teacher, models/teachers/<name>, models/sparsified/teacher or models/<round>/<student>",
    "models": "teacher, teachers/<name> or <round>/<student>",
    "taught.models": "<round>/<student>",
    "taught.teacher": "teacher, teachers/<name> or <round>/<student>",
    "path": "a path on one line",
    "train": OWN_FILE,
    "dev": OWN_FILE,
    "test": OWN_FILE,
    "separator": "one character",
    "hub": "an id such as google-bert/bert-base-uncased",
    "revision": "a branch, tag or commit",
    "uri": "a path, or the http(s):// address of an MLflow server",
    "experiment": "a name on one line",
    "launcher": "a command line, such as python",
}
NAME_FORMS = {
    False: "a name of letters, digits, '.', '_' and '-'",
    True: "a name of letters, digits, '_' and '-'",  # DVC cuts names of its graph at dots
}


def _problems(error: ValidationError) -> list[str]:
    """Every problem as `key: what was expected, what came`; what a union of types expected is one problem."""
    problems: dict[tuple[str, str], list[str]] = {}
    for item in error.errors():
        for key, expected, came in _lines(item):
            alternatives = problems.setdefault((key, came), [])
            if expected not in alternatives:
                alternatives.append(expected)
    return [f"{key}{' or '.join(expected)}{came}" for (key, came), expected in problems.items()]


def _lines(item: dict) -> list[tuple[str, str, str]]:
    """One problem of pydantic's as (key, what was expected, what came)."""
    # pydantic puts names of union members and functions into the location; keys of the file have none of these
    location = [str(part) for part in item["loc"] if not _is_type(part)]
    key = _short(".".join(location))
    match item["type"]:
        case "extra_forbidden":
            near = difflib.get_close_matches(location[-1], _siblings(location[:-1]), n=1, cutoff=0.5)
            hint = f"; did you mean {near[0]!r}?" if near else f"; known here: {', '.join(_siblings(location[:-1]))}"
            return [(f"{key}: ", f"unknown key{hint}", "")]
        case "missing":
            return [(f"{key}: ", "missing", "")]
        case "value_error":
            prefix = f"{key}." if isinstance(item["input"], dict) and key else f"{key}: " if key else ""
            return [(prefix + line, "", "") for line in str(item["ctx"]["error"]).splitlines()]
        case "string_pattern_mismatch":
            named = [part for part in location if not part.isdigit()]
            form = FORMS.get(".".join(named)) or FORMS.get(named[-1])
            expected = form or NAME_FORMS[item["ctx"]["pattern"] == UNDOTTED]
        case kind if kind in EXPECTED:
            expected = EXPECTED[kind].format(**item.get("ctx", {}))
        case _:
            expected = item["msg"]
    return [(f"{key}: expected ", expected, f", got {_short(repr(item['input']))}")]


def _short(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"


def _is_type(part: object) -> bool:
    return isinstance(part, str) and (
        part in {"int", "str", "float", "[key]"} or part.startswith(("literal[", "list[", "constrained-"))
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
