"""taught: finetune one model on one task, which a finetuned model teaches it too."""

import argparse

from minimoe.params import load, named
from minimoe.params.schema import TAUGHT
from minimoe.params.settings import settings
from stages import run
from stages.finetune import cell


def main() -> None:
    """Run the stage."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", help="as in taught.models")
    parser.add_argument("task", help="as in table.tasks")
    model, task = vars(parser.parse_args()).values()
    params = load()
    named(params, "taught.models", model)
    named(params, "table.tasks", task)
    taught = settings("taught")
    taught["teacher"] = f"finetuned/{taught['teacher']}/{task}"
    cell(params, TAUGHT + model, model, task, taught | {"texts": "data/formatted"})


if __name__ == "__main__":
    run(main)
