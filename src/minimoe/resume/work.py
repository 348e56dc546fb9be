"""Work folders: where a stage saves its progress, `work/<stage>/<name>/<key>/`, until its outputs are written.

Progress is not saved with the outputs, which DVC deletes before it runs the stage. The key is a hash of everything that
can change the result, so only the same work finds the folder. Folders of other settings are kept: whoever tries other
settings and comes back resumes. Only one process at a time makes a stage's outputs: the one that holds the lock of that
name in `work/locks/`.
"""

import hashlib
import json
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory

from filelock import FileLock, Timeout
from ruamel.yaml import YAML

from minimoe.system.errors import UserError
from minimoe.system.files import checksum
from minimoe.system.machine import is_main

PATIENCE = int(os.environ.get("MINIMOE_PATIENCE", "15"))  # seconds
RUNS = "runs"  # a folder in it, for the ids of MLflow's runs
LIBRARIES = ("torch", "transformers", "accelerate", "tokenizers", "sentencex", "numpy")


def work_folder(stage: str, name: str, inputs: list[str | Path], facts: object) -> Path:
    """The path of a piece of work's folder, which may not exist yet.

    Args:
        stage: as in dvc.yaml, which lists the code that can change its result.
        name: which of several, such as a round's; may be empty.
        inputs: files, and folders with all that is in them.
        facts: whatever else can change the result, as JSON can hold it.
    """
    code = [path for path in _dependencies(stage) if str(path).startswith(("src/", "stages/"))]
    made_by = {library: version(library) for library in LIBRARIES}
    known = [facts, made_by, *(_content(Path(path)) for path in [*code, *inputs])]
    key = hashlib.sha256(json.dumps(known, sort_keys=True).encode()).hexdigest()[:16]
    folder = Path("work", stage, name, key)
    others = [str(other) for other in sorted(folder.parent.glob("[0-9a-f]" * 16)) if _holds_work(other)]
    if is_main() and others and not folder.exists():
        print(
            f"{stage} {name}: starts over, as what changes its result has changed; what was done before is kept in "
            f"{', '.join(others)}, delete what is not needed any more",
            file=sys.stderr,
        )
    return folder


def remove(folder: Path) -> None:
    """Remove a work folder, and the one that holds it unless there is work of other settings in it."""
    shutil.rmtree(folder, ignore_errors=True)
    with suppress(OSError):
        folder.parent.rmdir()


def _holds_work(folder: Path) -> bool:
    """Whether there is more than the ids of MLflow's runs."""
    return any(path.is_file() and path.parent.name != RUNS for path in folder.rglob("*"))


def _dependencies(stage: str) -> list[Path]:
    declared = YAML(typ="safe").load(Path("dvc.yaml").read_text(encoding="utf-8"))["stages"][stage]
    return [Path(path) for path in declared.get("do", declared)["deps"]]


def _content(path: Path) -> list:
    """Names, sizes and checksums of a file, or of all files in a folder; the stage tells where one is missing."""
    files = sorted(file for file in [path, *path.rglob("*")] if file.is_file() and "__pycache__" not in file.parts)
    return [(str(file), file.stat().st_size, checksum(file)) for file in files]


@contextmanager
def place(work: Path | None, out: str | Path) -> Iterator[Path]:
    """The folder `work`, or a temporary one beside `out` where nothing is to be kept."""
    if work:
        work.mkdir(parents=True, exist_ok=True)
        yield work
    else:
        Path(out).parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=Path(out).parent, prefix=f".{Path(out).name}.") as temporary:
            yield Path(temporary)


@contextmanager
def alone(stage: str) -> Iterator[None]:
    """A context that holds the lock of a stage: no other process makes its outputs, with whatever settings.

    Args:
        stage: its name and arguments, such as "distill base".

    Raises:
        UserError: another one does, and goes on: one of a run that was killed is about to end, and is waited for.
    """
    path = Path("work", "locks", stage.replace("/", "-"))
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path)
    try:
        lock.acquire(timeout=PATIENCE)
    except Timeout:
        raise UserError(f"{stage}: another process is doing the same; wait until it is done, or end it") from None
    try:
        yield
    finally:
        lock.release()
