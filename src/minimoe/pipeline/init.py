"""Set up a folder to run the pipeline in.

The folder becomes what a clone of the repository is: the graph, params.yaml, profiles and the sample are copied, to be
edited. The code is linked, not copied: what DVC watches below `stages` and `src` is then what Python imports, so an
upgrade of the package reruns the stages whose code it changes, and no others.
"""

import shutil
import subprocess
from pathlib import Path

import minimoe
from minimoe.pipeline.profiles import PARAMS, SAMPLE, shipped, whole
from minimoe.system.errors import UserError

COPIED = (
    ".dvc/.gitignore",
    ".dvc/config",
    ".dvc/plots",
    ".dvcignore",
    ".gitignore",
    "dvc.yaml",
    "profiles",
    "data/sample",
)
NO_GIT = "[core]\n    no_scm = true\n"


def init(folder: str | Path) -> None:
    """Write what `folder` lacks; a file that is there stays as it is.

    Raises `UserError` where `folder` has `stages` or `src/minimoe` of its own, as a clone of the repository has.
    """
    source, target = shipped(), Path(folder).resolve()
    package = Path(minimoe.__file__).resolve().parent
    links = {target / "stages": source / "stages", target / "src/minimoe": package}
    for link in links:
        if link.exists() and not link.is_symlink():
            raise UserError(f"{link}: exists, and is not the installed package's; set up another folder")
    kept = [path for name in COPIED for path in _copied(source, target, name)]
    for link, code in links.items():
        link.parent.mkdir(exist_ok=True)
        link.unlink(missing_ok=True)  # of an environment that was there before
        link.symlink_to(code)
    if not (target / PARAMS).exists():
        (target / PARAMS).write_text(whole(SAMPLE, target), encoding="utf-8")
    _version_control(target)
    print(f"{target} is set up; edit {PARAMS}, then run it with: minimoe repro")
    if kept:
        print(f"kept, though the package has others: {', '.join(kept)}")


def _copied(source: Path, target: Path, name: str) -> list[str]:
    """Copy a file, or all files of a folder, that `target` lacks; returns those that it has with another content."""
    kept = []
    files = [file for file in [source / name, *(source / name).rglob("*")] if file.is_file()]
    for file in files:
        if "__pycache__" in file.parts:
            continue
        copy = target / file.relative_to(source)
        if not copy.exists():
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, copy)
        elif copy.read_bytes() != file.read_bytes():
            kept.append(str(copy.relative_to(target)))
    return kept


def _version_control(folder: Path) -> None:
    """Put the folder under git where it is not; where there is no git, DVC works without."""
    try:
        inside = subprocess.run(["git", "rev-parse", "--is-inside-work-tree"], cwd=folder, capture_output=True)
        if inside.returncode:
            subprocess.run(["git", "init", "--quiet"], cwd=folder, check=True)
    except FileNotFoundError:
        (folder / ".dvc/config.local").write_text(NO_GIT, encoding="utf-8")
