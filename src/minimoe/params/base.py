"""What every section of params.yaml has in common."""

import shlex
from typing import Annotated, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, create_model

# A name becomes a folder, a DVC stage, a word of a command line and an MLflow run, so it must be plain.
PART = r"[A-Za-z0-9][A-Za-z0-9_.-]*"
Name = Annotated[str, Field(pattern=rf"^{PART}$", max_length=100)]
UNDOTTED = r"^[A-Za-z0-9][A-Za-z0-9_-]*$"
Key = Annotated[str, Field(pattern=UNDOTTED, max_length=100)]  # a name that is a key of the graph too
Text = Annotated[str, Field(pattern=r"^[^\x00-\x1f\x7f]*[^\x00-\x20\x7f][^\x00-\x1f\x7f]*$")]  # one line, not blank
HubId = Annotated[str, Field(pattern=rf"^({PART}/)?{PART}$", max_length=100)]
Revision = Annotated[str, Field(pattern=rf"^{PART}(/{PART})*$", max_length=100)]
MOST = 2**31 - 1  # what a C library takes as a number
Positive = Annotated[int, Field(ge=1, le=MOST)]
Layers = Annotated[int, Field(ge=1, le=1000)]
Width = Annotated[int, Field(ge=1, le=1 << 16)]
Few = Annotated[int, Field(ge=1, le=1024)]  # heads, experts
Count = Annotated[int, Field(ge=0, le=MOST)]
Seed = Annotated[int, Field(ge=0, lt=2**32)]
Share = Annotated[float, Field(ge=0, le=1)]
Rate = Annotated[float, Field(gt=0, le=1)]
Item = TypeVar("Item")


def _words(command: str) -> str:
    """The command, which must be one that a shell could cut into words."""
    try:
        shlex.split(command)
    except ValueError as error:
        raise ValueError(f"expected a command line, got {command!r}: {error}") from None
    return command


Command = Annotated[Text, AfterValidator(_words)]


def here(instead: str) -> AfterValidator:
    """A path on this machine: DVC watches it, and would ask for an address whether it is used or not."""

    def check(path: str) -> str:
        if "://" in path:
            raise ValueError(f"expected a path on this machine, got {path!r}; {instead}")
        return path

    return AfterValidator(check)


def distinct(values: list) -> list:
    """The values, which must differ."""
    repeated = [value for place, value in enumerate(values) if value in values[:place]]
    if repeated:
        raise ValueError(f"expected each entry once, got {repeated[0]!r} again")
    return values


# Entries become stages, columns or runs: one given twice would count twice.
Entries = Annotated[list[Item], Field(min_length=1), AfterValidator(distinct)]


class Section(BaseModel):
    """A section of params.yaml: typed, closed to unknown keys, read-only."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


S = TypeVar("S", bound=Section)


class Overrides(Section):
    """Some values of another section; what is absent comes from there."""

    def over(self, base: S) -> S:
        """The section `base` with the values given here in place of its own."""
        own = {key: getattr(self, key) for key in type(base).model_fields}
        return base.model_copy(update={key: value for key, value in own.items() if value is not None})


def overrides_of(name: str, section: type[Section]) -> type[Overrides]:
    """A class with the fields of `section`, each of them optional."""
    fields = {key: (field.rebuild_annotation() | None, None) for key, field in section.model_fields.items()}
    return create_model(name, __base__=Overrides, __doc__=f"Values in place of {section.__name__}'s.", **fields)
