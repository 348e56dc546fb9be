"""sparsify: what matters least in a teacher, and the teacher in that order."""

import argparse

from minimoe import tracking
from minimoe.params import load, named
from minimoe.params.settings import settings
from minimoe.records.dataset import Records
from minimoe.resume.checkpoints import Checkpoints
from minimoe.resume.work import work_folder
from minimoe.sparsify.make import sparsify
from minimoe.system import machine
from minimoe.system.launch import launch
from minimoe.system.memory import keep_freed_memory
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
            device=machine.device(params.runtime.device),
            tracker=tracker,
            checkpoints=checkpoints,
        )
    if machine.is_main():
        checkpoints.remove()
        print(f"sparsify: importances of models/{name} from {read} records")


if __name__ == "__main__":
    run(main)
