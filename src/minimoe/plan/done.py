"""Which stages need not run: those that DVC calls up to date, with all that they stand on.

DVC compares each stage with what lies on disk now, so behind a stage that will run anew others still look up to date.
"""

from pathlib import Path

from minimoe.params import load
from minimoe.params.resolve import resolve, text
from minimoe.params.settings import FOLDER
from minimoe.system.errors import UserError


def done(root: str | Path) -> set[str]:
    """Names of the stages of the repository `root` that are up to date; `UserError` where DVC cannot say."""
    from dvc.exceptions import DvcException
    from dvc.lock import LockError
    from dvc.repo import Repo

    try:
        with Repo(str(root)) as repo:
            changed = set(repo.status())
            if "settings" in changed:  # params.yaml was edited, and nothing has run since
                changed = changed - {"settings"} | _set_otherwise(repo.index.stages, Path(root))
            return up_to_date(repo.index.graph, changed)
    except LockError:
        raise UserError("another dvc command is at work here; plan when it has ended") from None
    except DvcException as error:
        raise UserError(f"{root}: dvc cannot read the pipeline: {' '.join(str(error).split())}") from None


def _set_otherwise(stages, root: Path) -> set[str]:
    """Names of the stages whose settings are not those of their last run."""
    now = {f"{FOLDER}/{name}.json": text(values) for name, values in resolve(load(root / "params.yaml")).items()}
    other = {name for name, content in now.items() if _text(root / name) != content}
    return {stage.addressing for stage in stages if other & {dep.def_path for dep in stage.deps}}


def _text(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.is_file() else None


def up_to_date(graph, changed: set[str]) -> set[str]:
    """Stages of `graph` that neither changed nor stand on one that did; edges lead to what a stage depends on."""
    from networkx import descendants

    return {
        stage.name
        for stage in graph
        if not changed & {stage.name, *(needed.name for needed in descendants(graph, stage))}
    }


def size(path: Path) -> int:
    """Bytes of a file, or of all files below a folder."""
    files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
    return sum(file.stat().st_size for file in files)
