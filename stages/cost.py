"""cost: one model's multiply-adds, parameters and latency."""

import argparse

from minimoe.params import load, named
from minimoe.params.settings import settings
from minimoe.report.cost import load_encoder, measure
from minimoe.system import machine
from minimoe.system.files import write_json
from stages import run


def main() -> None:
    """Run the stage for the model named on the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", help="teacher, or round/student")
    params = load()
    model = named(params, "table.models", parser.parse_args().model)
    device = machine.device(params.runtime.device)
    costs = measure(
        load_encoder(f"models/{model}"),
        **settings("cost"),
        device=device,
    )
    write_json(f"metrics/cost/{model}.json", costs | {"machine": machine.machine(device)})


if __name__ == "__main__":
    run(main)
