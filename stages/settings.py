"""settings: params.yaml, checked, and what each piece of work reads of it in a file of its own.

Every stage depends on its file, so a key reruns what reads it and nothing else. And this stage ends on a name that is
not plain: DVC runs a command through a shell and deletes a stage's outputs before it, both with names as they stand in
the params, so a round `x; rm …` or `../docs` would do what it says before any other stage has read them.
"""

from minimoe.params import load
from minimoe.params.resolve import write
from minimoe.pipeline.preflight import preflight
from stages import run


def main() -> None:
    """Run the stage."""
    params = load()
    preflight(params.runtime, whole=False)
    write(params)


if __name__ == "__main__":
    run(main)
