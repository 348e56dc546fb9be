"""What the code imports is what pyproject.toml declares; everything that is installed is pinned and has hashes."""

import ast
import re
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

ROOT = Path(__file__).parents[1]
PIN = r"([\w.-]+)==([\w.]+)(?: \\)?"
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


def pins(path: Path) -> dict[str, str]:
    """Name → version; every line but a hash's must be one."""
    lines = [line for line in path.read_text().splitlines() if line and not line.startswith("    --hash=")]
    return {normal(name): version for name, version in (re.fullmatch(PIN, line).groups() for line in lines)}


def test_every_pin_but_pytorchs_has_hashes():
    """PyTorch's builds differ by machine. CONTRIBUTING.md says how hashes.txt is made anew."""
    wanted = pins(ROOT / "constraints.txt")
    assert wanted.pop("torch") and pins(ROOT / "hashes.txt") == wanted
    text = (ROOT / "hashes.txt").read_text()
    entries = re.findall(rf"(?m)^{PIN}\n(?:    --hash=sha256:[0-9a-f]{{64}}(?: \\\n|\n))+", text)
    assert len(entries) == len(wanted)
