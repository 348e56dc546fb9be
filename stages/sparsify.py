"""sparsify: a teacher with its heads, neurons and hidden dimensions in the order of their importance."""

import argparse

from minimoe.params import load, named
from minimoe.params.settings import settings
from minimoe.records.dataset import Records
from minimoe.sparsify.make import sparsify
from minimoe.system import machine
from minimoe.system.launch import launch
from minimoe.system.memory import keep_freed_memory
from stages import run
from stages._run import training


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
    facts = [chosen, records.manifest]
    besides = {f"data/settings/sparsify/{name}.json": "settings", "data/records": "training"}
    with training("sparsify", name, {f"models/{name}": "model"}, facts, params.runtime, besides) as this:
        read = sparsify(
            f"models/{name}",
            records,
            f"models/sparsified/{name}",
            **chosen,
            device=machine.device(params.runtime.device),
            tracker=this.tracker(f"sparsify {name}", {"teacher": name}, chosen),
            checkpoints=this.checkpoints,
        )
    if machine.is_main():
        print(f"sparsify: importances of models/{name} from {read} records")


if __name__ == "__main__":
    run(main)
