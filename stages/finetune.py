"""finetune: one model on one task; `python -m stages.finetune <model> <task>`."""

import argparse
import os

from minimoe import tracking
from minimoe.params import load, named
from minimoe.params.settings import settings
from minimoe.resume.checkpoints import Checkpoints
from minimoe.resume.work import work_folder
from minimoe.system import machine
from minimoe.system.files import write_json
from minimoe.system.memory import keep_freed_memory
from minimoe.tasks.task import from_settings
from stages import run


def main() -> None:
    """Run the stage."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", help="as in table.models")
    parser.add_argument("task", help="as in table.tasks")
    model, task = vars(parser.parse_args()).values()
    params = load()
    named(params, "table.models", model)
    named(params, "table.tasks", task)
    keep_freed_memory()
    os.environ |= machine.CELL_ENVIRONMENT
    with machine.importing():
        from minimoe.finetune.cell import finetune
        from minimoe.training.compiled import compiles

    chosen = settings(f"finetune/{task}")
    inputs = [f"models/{model}", f"data/tasks/{task}"]
    checkpoints = Checkpoints(work_folder("finetune", f"{model}/{task}", inputs, chosen))
    row = from_settings(chosen.pop("task"))
    tags = {"stage": "finetune", "model": model, "task": task}
    memory = checkpoints.run_id("cell")
    with tracking.run(params.runtime.tracking, f"{model}/{task}", tags, chosen, memory) as tracker:
        cell = finetune(
            model,
            f"models/{model}",
            row,
            f"data/tasks/{task}",
            f"finetuned/{model}/{task}",
            **chosen,
            device=machine.device(params.runtime.device),
            compiled=compiles(params.runtime.compile, machine.device(params.runtime.device)),
            log_every=params.runtime.log_every,
            tracker=tracker,
            checkpoints=checkpoints,
        )
    write_json(f"metrics/finetune/{model}/{task}.json", cell)
    checkpoints.remove()
    for column, result in cell["results"].items():
        print(f"{model} {column}: {result['mean']:.1f} ± {result['std']:.1f} (majority {result['majority']:.1f})")


if __name__ == "__main__":
    run(main)
