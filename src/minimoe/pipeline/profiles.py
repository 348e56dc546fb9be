"""Profiles: named runs, each said by what differs from the sample's params.

`profiles/sample.yaml` is a whole, commented params file. Any other `profiles/NAME.yaml` holds the values that differ
from it, and `minimoe profile NAME` writes the two together as params.yaml. That overwrites params.yaml, so it first
makes sure that its content can be had again: from a profile, or from git's last commit.
"""

import subprocess
from contextlib import suppress
from itertools import dropwhile, takewhile
from pathlib import Path
from typing import NamedTuple

from ruamel.yaml import YAML, CollectionNode, MappingNode, Node, YAMLError

import minimoe
from minimoe.params import Params, parse, read
from minimoe.system.errors import UserError
from minimoe.system.files import whole_file

PARAMS = "params.yaml"
SAMPLE = "sample"  # the profile that the others differ from
ABOUT = "# This run:"  # begins the comment that says what a profile is
REPLACED = ("rounds", "tasks")  # not merged key by key: the sample's students and tasks mean nothing elsewhere
COLUMN = 32  # where comments begin


def shipped() -> Path:
    """Where the project's own profiles, stages and sample are: in the wheel, or the repository that is installed."""
    package = Path(minimoe.__file__).resolve().parent
    inside = package / "project"  # as pyproject.toml lays it out in a wheel
    return inside if inside.is_dir() else package.parents[1]


def names(root: str | Path) -> list[str]:
    """The profiles that `root` has."""
    return sorted(path.stem for path in Path(root, "profiles").glob("*.yaml"))


def whole(name: str, root: str | Path) -> str:
    """The params.yaml of a profile: the sample with all its comments, and the profile's values.

    Raises `UserError` where there is no such profile, or it is no YAML or has a key that the sample lacks.
    """
    if name not in names(root):
        known = ", ".join(names(root)) or "none: `minimoe init` sets up a folder that has some"
        raise UserError(f"profile {name!r}: unknown; known are {known}")
    sample, own = (_read(Path(root, "profiles", f"{each}.yaml")) for each in (SAMPLE, name))
    if {key.value for key, _ in sample.node.value} <= {key.value for key, _ in own.node.value}:
        return own.text  # it says all by itself, as a copy of params.yaml does
    lines, given = dict(enumerate(sample.text.split("\n"))), own.text.split("\n")
    _describe(lines, given)
    try:
        _merge(lines, given, sample.node, own.node)
    except KeyError as error:
        raise UserError(f"{own.path}: {error.args[0]}") from None
    return "\n".join(lines[number] for number in sorted(lines))


def load_profile(name: str, root: str | Path) -> Params:
    """The checked params of a profile; raises `UserError` where they are wrong."""
    return parse(whole(name, root), Path(root, "profiles", f"{name}.yaml"))


def select(name: str, root: str | Path, force: bool = False) -> None:
    """Write the whole params.yaml of a profile.

    Args:
        name: one of `names(root)`.
        root: the folder with params.yaml and profiles.
        force: even when that loses edits of params.yaml.

    Raises:
        UserError: no such profile, a profile that is wrong, or edits that would be lost.
    """
    target = Path(root, PARAMS)
    load_profile(name, root)  # checked before anything is overwritten
    if not force and target.exists() and not _is_kept(target.read_bytes(), Path(root)):
        raise UserError(
            f"{PARAMS}: has edits that are neither committed nor in a profile; commit it, copy it to "
            f"profiles/<new name>.yaml, or overwrite the edits with --force"
        )
    with whole_file(target) as temporary:
        temporary.write_text(whole(name, root), encoding="utf-8")
    print(f"{PARAMS} is now the profile {name}; run it with: minimoe repro")


class _File(NamedTuple):
    path: Path
    text: str
    node: MappingNode


def _read(path: Path) -> _File:
    text = read(path)
    try:
        node = YAML(typ="safe").compose(text)
    except YAMLError as error:
        raise UserError(f"{path}: not valid YAML: {' '.join(str(error).split())}") from None
    if not isinstance(node, MappingNode):
        raise UserError(f"{path}: expected sections such as 'corpus:'")
    return _File(path, text, node)


def _describe(lines: dict[int, str], given: list[str]) -> None:
    """Put what the profile says of itself in place of what the sample says."""
    said = [number for number, line in lines.items() if line.startswith(ABOUT)][:1]
    own = list(takewhile(_is_comment, dropwhile(lambda line: not line.startswith(ABOUT), given)))
    if said and own:
        numbers = list(takewhile(lambda number: _is_comment(lines[number]), range(said[0], len(lines))))
        for number in numbers:
            del lines[number]
        lines[said[0]] = "\n".join(own)


def _is_comment(line: str) -> bool:
    return line.startswith("#")


def _merge(lines: dict[int, str], given: list[str], old: MappingNode, new: MappingNode, at: str = "") -> None:
    """Put the values of `new`, a section of the text `given`, in place of those of `old`, the same of `lines`."""
    known = {key.value: (key, value) for key, value in old.value}
    for key, value in new.value:
        if key.value not in known:
            raise KeyError(f"{at}{key.value}: unknown key; known here: {', '.join(known)}")
        place, replaced = known[key.value]
        sections = isinstance(replaced, MappingNode) and isinstance(value, MappingNode) and _is_block(replaced)
        if sections and key.value not in REPLACED:
            _merge(lines, given, replaced, value, f"{at}{key.value}.")
        else:
            _put(lines, given, place, replaced, value)


def _put(lines: dict[int, str], given: list[str], key: Node, old: Node, new: Node) -> None:
    """Put one value in place of another, and keep the comment that stands behind its key or value."""
    first, last = key.end_mark.line, _last_line(old)
    rest = lines[first][key.end_mark.column + 1 :] if _is_block(old) else lines[last][old.end_mark.column :]
    body, block = lines[first][: key.end_mark.column] + ":", []
    if _is_block(new):
        block = given[new.start_mark.line : _last_line(new) + 1]
    else:
        body += f" {_source(given, new)}"
    for number in range(first, last + 1):
        lines.pop(number, None)
    comment = rest.strip()
    lines[first] = "\n".join([f"{body:<{COLUMN - 2}}  {comment}" if comment else body, *block])


def _source(text: list[str], node: Node) -> str:
    """The text of a value that stands on one line, or on several in brackets."""
    start, end = node.start_mark, node.end_mark
    if start.line == end.line:
        return text[start.line][start.column : end.column]
    between = text[start.line + 1 : end.line]
    return "\n".join([text[start.line][start.column :], *between, text[end.line][: end.column]])


def _is_block(node: Node) -> bool:
    """Whether it stands on lines of its own below its key."""
    return isinstance(node, CollectionNode) and not node.flow_style


def _last_line(node: Node) -> int:
    """Without the comments that follow, which a block's own end includes."""
    if not _is_block(node):
        return node.end_mark.line
    last = node.value[-1]
    return _last_line(last[1] if isinstance(node, MappingNode) else last)


def _is_kept(content: bytes, root: Path) -> bool:
    """Whether `content` is that of a profile, or of params.yaml in git's last commit."""
    for name in names(root):
        with suppress(UserError):
            if content == whole(name, root).encode("utf-8"):
                return True
    return content == _committed(root)


def _committed(root: Path) -> bytes | None:
    """params.yaml as in git's last commit; None where there is none, or no git."""
    try:
        shown = subprocess.run(["git", "show", f"HEAD:./{PARAMS}"], cwd=root, capture_output=True)
    except FileNotFoundError:
        return None
    return shown.stdout if shown.returncode == 0 else None
