"""Write the sample: `python -m data.sample.generate [FOLDER]`."""

import sys
from pathlib import Path

from .dump import export
from .official import Tasks
from .world import World

SEED = 776


def main(folder: Path) -> None:
    """Write the dump and all task files into the folder."""
    world = World(SEED)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "wiki.xml.bz2").write_bytes(export(world, SEED))
    Tasks(world, SEED, folder).write()


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parents[1])
