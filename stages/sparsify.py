"""sparsify: what matters least in a teacher, and the teacher in that order."""

import argparse

from minimoe import runtime, tracking
from minimoe.corpus.records import Records
from minimoe.errors import exit_cleanly
from minimoe.memory import keep_freed_memory
from minimoe.params import load
from minimoe.sparsify.make import sparsify


def main() -> None:
    """Run the stage for the model named on the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("teacher", help="a folder of models/")
    name = parser.parse_args().teacher
    params = load()
    keep_freed_memory()
    settings = {
        "share": params.sparsify.share,
        "batch": params.sparsify.batch,
        "sparsities": params.sparsify.sparsities,
        "seed": params.seed,
    }
    tags = {"stage": "sparsify", "teacher": name}
    with tracking.run(params.runtime.tracking, name=f"sparsify {name}", tags=tags, params=settings) as tracker:
        read = sparsify(
            f"models/{name}",
            Records("data/records"),
            f"models/sparsified/{name}",
            **settings,
            device=runtime.device(params.runtime.device),
            tracker=tracker,
        )
    print(f"sparsify: importances of models/{name} from {read} records")


if __name__ == "__main__":
    exit_cleanly(main)
