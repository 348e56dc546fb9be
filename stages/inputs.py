"""inputs: what is in a file or folder that the user brings along, as checksums; nothing where it is not read.

DVC watches the paths in the params whether their source is chosen or not. Stages depend on this in their place, so
that a path reruns them only where it is read.
"""

import sys
from pathlib import Path

from minimoe.params.settings import settings
from minimoe.system.files import checksums, write_json
from stages import run


def main() -> None:
    """Run the stage for the input named on the command line."""
    name = " ".join(sys.argv[1:])
    chosen = settings(f"inputs/{name}")
    path, files = chosen.get("path"), chosen.get("files")
    if files:
        found = {file: checksums(Path(path, file)).get(Path(file).name) for file in files}
    else:
        found = checksums(path) if path else {}
    write_json(f"data/inputs/{name}.json", found)


if __name__ == "__main__":
    run(main)
