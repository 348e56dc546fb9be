"""names: every name that DVC puts into a command line or a path is plain.

DVC runs a command through a shell and deletes a stage's outputs before it, both with names as they stand in the
params: a round `x; rm …` or `../docs` would do what it says before any stage has read them. So every stage
with a name in its command depends on this one, which ends on a wrong name. Its output never changes, and nothing reruns
because of it.
"""

from pathlib import Path

from minimoe.files import whole_file
from minimoe.params import load
from minimoe.preflight import preflight
from stages import run


def main() -> None:
    """Run the stage."""
    preflight(load().runtime, whole=False)
    with whole_file(Path("data/names")) as file:
        file.write_text("plain\n", encoding="utf-8")


if __name__ == "__main__":
    run(main)
