"""teachers: one further teacher, from the hub or a folder."""

import sys

from minimoe.hub.origin import record
from minimoe.params import load, named
from minimoe.params.settings import settings
from minimoe.teacher.further import copy_further
from stages import run

TOKENIZER = "data/tokenizer"


def main() -> None:
    """Run the stage for the teacher named on the command line."""
    params, read = load(), {}
    name = named(params, "teachers", " ".join(sys.argv[1:]))
    teacher, out = settings(f"teachers/{name}"), f"models/teachers/{name}"
    match teacher["source"]:
        case "local":
            said = copy_further(teacher["path"], TOKENIZER, out)
            read = {"teacher": said} if said else {}
        case "hub":
            said = copy_further(teacher["hub"], TOKENIZER, out, revision=teacher["revision"])
            read["teacher"] = {"hub": teacher["hub"], "revision": teacher["revision"], **said}
    record(f"teachers/{name}", "teachers", read, params.runtime.tracking)


if __name__ == "__main__":
    run(main)
