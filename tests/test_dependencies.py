"""What the code imports is what pyproject.toml declares; everything that is installed is pinned and has hashes."""

import ast
import re
import sys
import tomllib
from importlib.metadata import distributions, packages_distributions
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]
CALLED = {"wikiextractor"}  # as a program


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def declared() -> tuple[set[str], set[str]]:
    """The distributions that are needed always, and all of them."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    more = [line for lines in project["optional-dependencies"].values() for line in lines]
    needed = project["dependencies"]
    names = [{normal(re.match(r"[\w.-]+", line)[0]) for line in lines} for lines in (needed, needed + more)]
    return names[0], names[1]


def imported() -> set[str]:
    """The top-level modules that src and stages import, of others' distributions."""
    names = set()
    for path in [*(ROOT / "src").rglob("*.py"), *(ROOT / "stages").rglob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                names |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level:
                names.add(node.module.partition(".")[0])
    return names - set(sys.stdlib_module_names) - {"minimoe", "stages"}


def test_what_is_imported_is_declared_and_the_other_way_round():
    providers = packages_distributions()
    used = {name: {normal(each) for each in providers.get(name, [name])} for name in imported()}
    needed, known = declared()
    assert not [name for name, distributions in used.items() if not distributions & known]
    assert needed - set().union(*used.values()) == CALLED


def test_everything_that_is_installed_is_pinned_and_every_pin_has_hashes():
    """But for PyTorch, whose builds differ by machine, this package, and what may be installed besides."""
    text = (ROOT / "requirements.txt").read_text()
    entries = dict(re.findall(r"(?m)^([\w.-]+)==([\w.]+) \\\n(?:    --hash=sha256:[0-9a-f]{64}(?: \\)?\n)+", text))
    assert len(entries) == len(re.findall("==", text)) > 100
    pinned = {normal(name): version for name, version in entries.items()}
    installed = {normal(one.metadata["Name"]): one for one in distributions()}
    assert not [name for name, one in installed.items() if pinned.get(name, one.version) != one.version]
    needed, seen = [("minimoe", "dev"), ("minimoe", "dask"), ("minimoe", "docs")], set()
    while needed:
        name, extra = needed.pop()
        if (name, extra) in seen or name not in installed:
            continue
        seen.add((name, extra))
        for one in map(Requirement, installed[name].requires or []):
            if not one.marker or one.marker.evaluate({"extra": extra}):
                needed += [(normal(one.name), extra) for extra in {"", *one.extras}]
    assert {name for name, _ in seen} - set(pinned) - {"pip"} == {"minimoe", "torch"}
