"""The finetuning grid with many cells that do next to nothing: what it holds must not grow with their number."""

import shutil
from functools import partial
from importlib import import_module
from pathlib import Path

from benchmarks.load.watch import disk, watch
from minimoe.pipeline import grid

WORKERS = 2
STAGE = """
import sys
from pathlib import Path

if __name__ == "__main__":
    out = Path("out") / sys.argv[1]
    out.parent.mkdir(exist_ok=True)
    out.write_text(sys.argv[1])
"""


def run(folder: Path, cells: int) -> dict:
    """Time, memory, processes and open files, those in the second and in the last quarter of the time, and disk."""
    write(folder, cells)
    seen = watch(bring_up, folder, cells)
    row = {"cells": cells, "seconds": seen.seconds, "memory": seen.peak, "left": seen.left}
    row["processes"], row["files"] = max(seen.processes), [seen.median(seen.files, part) for part in (1, 3)]
    return row | {"disk": disk(folder)}


def write(folder: Path, cells: int) -> None:
    """A DVC repository with so many stages."""
    from dvc.repo import Repo

    shutil.rmtree(folder, ignore_errors=True)
    (folder / "stages").mkdir(parents=True)
    (folder / "stages/__init__.py").touch()
    (folder / "stages/cell.py").write_text(STAGE)
    numbers = "\n".join(f"      - c{number}" for number in range(cells))
    (folder / "dvc.yaml").write_text(
        f"stages:\n  cell:\n    foreach:\n{numbers}\n    do:\n      cmd: python -m stages.cell ${{item}}\n"
        "      deps:\n      - stages/cell.py\n      outs:\n      - out/${item}\n"
    )
    Repo.init(str(folder), no_scm=True).close()


def bring_up(folder: Path, cells: int) -> None:
    """Run the stages side by side, as `python -m minimoe repro` does."""
    import os
    import sys

    os.chdir(folder)
    sys.path.insert(0, str(folder))
    os.environ["PYTHONPATH"] = f"{folder}:{os.environ.get('PYTHONPATH', '')}"
    prepare = partial(import_module, "minimoe.finetune.cell")
    names = [f"cell@c{number}" for number in range(cells)]
    grid.run([grid.Wave(partial(grid.apart, names), workers)], prepare)


def workers() -> list[grid.Environment]:
    """Each has the environment of this process."""
    return [{}] * WORKERS
