"""teachers: one further teacher, from the hub or a folder."""

import sys

from minimoe.params import load, named
from minimoe.params.settings import settings
from minimoe.teacher.further import copy_further
from stages import run

TOKENIZER = "data/tokenizer"


def main() -> None:
    """Run the stage for the teacher named on the command line."""
    name = named(load(), "teachers", " ".join(sys.argv[1:]))
    teacher, out = settings(f"teachers/{name}"), f"models/teachers/{name}"
    match teacher["source"]:
        case "local":
            copy_further(teacher["path"], TOKENIZER, out)
        case "hub":
            copy_further(teacher["hub"], TOKENIZER, out, revision=teacher["revision"])


if __name__ == "__main__":
    run(main)
