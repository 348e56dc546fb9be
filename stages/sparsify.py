"""sparsify: what matters least in a teacher, and the teacher in that order."""

import argparse

from minimoe import runtime, tracking
from minimoe.checkpoints import Checkpoints
from minimoe.corpus.records import Records
from minimoe.launch import launch
from minimoe.memory import keep_freed_memory
from minimoe.params import load, named
from minimoe.params.settings import settings
from minimoe.sparsify.make import sparsify
from minimoe.work import work_folder
from stages import run


def main() -> None:
    """Run the stage for the model named on the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("teacher", help="a folder of models/")
    params = load()
    name = named(params, "sparsify.teachers", parser.parse_args().teacher)
    launch(params.runtime.launcher, "stages.sparsify")
    keep_freed_memory()
    chosen = settings(f"sparsify/{name}")
    records = Records("data/records")
    work = work_folder("sparsify", name, [f"models/{name}"], [chosen, records.manifest])
    checkpoints = Checkpoints(work, params.runtime.checkpoint_minutes)
    tags, memory = {"stage": "sparsify", "teacher": name}, checkpoints.run_id("run")
    with tracking.run(params.runtime.tracking, f"sparsify {name}", tags, chosen, memory) as tracker:
        read = sparsify(
            f"models/{name}",
            records,
            f"models/sparsified/{name}",
            **chosen,
            device=runtime.device(params.runtime.device),
            tracker=tracker,
            checkpoints=checkpoints,
        )
    if runtime.is_main():
        checkpoints.remove()
        print(f"sparsify: importances of models/{name} from {read} records")


if __name__ == "__main__":
    run(main)
