"""profiles/: whole params files for known runs, and how one becomes params.yaml.

Selecting overwrites params.yaml, so it first makes sure that what stands there can be had again: it is one of the
profiles, or git holds it as it is.
"""

import subprocess
from pathlib import Path

from minimoe.params import load
from minimoe.system.errors import UserError
from minimoe.system.files import whole_file

PARAMS = "params.yaml"


def names(root: str | Path) -> list[str]:
    """The profiles that `root` has."""
    return sorted(path.stem for path in Path(root, "profiles").glob("*.yaml"))


def select(name: str, root: str | Path, force: bool = False) -> None:
    """Put profiles/<name>.yaml in place of params.yaml.

    Args:
        name: one of `names(root)`.
        root: the repository.
        force: even when that loses edits of params.yaml.

    Raises:
        UserError: no such profile, a profile that is wrong, or edits that would be lost.
    """
    source, target = Path(root, "profiles", f"{name}.yaml"), Path(root, PARAMS)
    if name not in names(root):
        raise UserError(f"profile {name!r}: unknown; known are {', '.join(names(root))}")
    load(source)
    if not force and target.exists() and not _is_kept(target, Path(root)):
        raise UserError(
            f"{PARAMS}: has edits that are neither committed nor a profile; commit it, copy it to "
            f"profiles/<new name>.yaml, or add --force to lose them"
        )
    with whole_file(target) as temporary:
        temporary.write_bytes(source.read_bytes())
    print(f"{PARAMS} is now profiles/{name}.yaml; start it with: make repro")


def _is_kept(target: Path, root: Path) -> bool:
    """Whether the content of `target` stands in a profile or in git's last commit."""
    content = target.read_bytes()
    if any(content == Path(root, "profiles", f"{name}.yaml").read_bytes() for name in names(root)):
        return True
    return content == _committed(root)


def _committed(root: Path) -> bytes | None:
    """params.yaml as in git's last commit; None where there is none, or no git."""
    try:
        shown = subprocess.run(["git", "show", f"HEAD:./{PARAMS}"], cwd=root, capture_output=True)
    except FileNotFoundError:
        return None
    return shown.stdout if shown.returncode == 0 else None
