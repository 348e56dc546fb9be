"""The manifest of records: counts, sizes and checksums of a folder's files, validated when it is read.

File names in it must be those of shards and indices, so that a manifest cannot point outside of its folder.
"""

import json
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, NonNegativeInt, PositiveInt, ValidationError

from minimoe.system.errors import UserError
from minimoe.system.files import verified

VERSION = 3
MANIFEST = "manifest.json"
AGAIN = "make the records again with: dvc repro -f -s records"  # -f: DVC may not have noticed


class Checked(BaseModel):
    """A part of the manifest; further keys are allowed."""

    model_config = ConfigDict(strict=True)


class File(Checked):
    """A file's expected size and checksum."""

    bytes: NonNegativeInt
    crc32c: NonNegativeInt


class Shard(Checked):
    """Records in a file, and the file with its index."""

    count: PositiveInt
    heldout: bool
    files: Annotated[dict[Annotated[str, Field(pattern=r"^[0-9]+\.(tfrecord|npy)$")], File], Field(min_length=2)]


class Manifest(Checked):
    """The keys that readers of records use."""

    version: Literal[VERSION]
    count: PositiveInt
    heldout: PositiveInt  # the last so many of them are of documents held out of training
    max_length: PositiveInt  # tokens
    vocabulary: PositiveInt  # one more than the highest id
    pad_id: NonNegativeInt
    segments: bool
    dtype: Literal["<u2", "<u4"]
    shards: Annotated[list[Shard], Field(min_length=1)]


def read_manifest(folder: Path) -> dict:
    """The manifest in `folder`, without its checksum; `UserError` where it is missing, damaged or not one."""
    path = folder / MANIFEST
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
        Manifest.model_validate(manifest)
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; {AGAIN}") from None
    except ValidationError as error:
        key, reason = ".".join(map(str, error.errors()[0]["loc"])), error.errors()[0]["msg"]
        raise UserError(f"{path}: {key}: {reason}; {AGAIN}") from None
    except (ValueError, RecursionError):
        raise UserError(f"{path}: not valid JSON; {AGAIN}") from None
    try:
        return verified(manifest)
    except ValueError as error:
        raise UserError(f"{path}: damaged, {error}; {AGAIN}") from None
