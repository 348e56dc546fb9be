"""What can be wrong with one file: each function returns a harm, to be done to a repository's root."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from bad.world import GONE, VALUES, dumped, edited

Harm = Callable[[Path], object]


class Case(NamedTuple):
    """A bad input: the stage that meets it, and what its line must name and say."""

    stage: str
    harm: Harm
    place: str
    remedy: str


def write(name: str, content: str | bytes) -> Harm:
    def harm(root: Path) -> None:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)

    return harm


def drop(name: str) -> Harm:
    return lambda root: shutil.rmtree(root / name) if (root / name).is_dir() else (root / name).unlink()


def emptied(name: str) -> Harm:
    """A folder without its files."""
    return lambda root: (shutil.rmtree(root / name), (root / name).mkdir())


def folder(name: str) -> Harm:
    """A folder where a file is expected."""
    return both(drop(name), lambda root: (root / name).mkdir())


def cut(name: str, size: int = 0) -> Harm:
    """A file without its last `size` bytes; without its second half where that is 0."""

    def harm(root: Path) -> None:
        content = (root / name).read_bytes()
        (root / name).write_bytes(content[: -size if size else len(content) // 2])

    return harm


def flip(name: str, place: float = 0.5) -> Harm:
    """A file with one bit flipped."""

    def harm(root: Path) -> None:
        content = bytearray((root / name).read_bytes())
        content[int(len(content) * place)] ^= 1
        (root / name).write_bytes(content)

    return harm


def json_of(name: str, edits: dict[str, object], seal: Callable = lambda values: values) -> Harm:
    """A JSON file with some values, by their dotted keys, set or taken out, and then sealed."""

    def harm(root: Path) -> None:
        path = root / name
        path.write_text(json.dumps(seal(edited(edits, json.loads(path.read_text())))))

    return harm


def params(edits: dict[str, object]) -> Harm:
    return write("params.yaml", dumped(edited(edits, VALUES)))


def both(*harms: Harm) -> Harm:
    return lambda root: [harm(root) for harm in harms]


__all__ = ["GONE", "Case", "Harm", "both", "cut", "drop", "emptied", "flip", "folder", "json_of", "params", "write"]
