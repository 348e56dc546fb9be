"""finetune: one model on one task, or as it is; `python -m stages.finetune <model> <task>`."""

import argparse
import os

from minimoe.params import Params, load, named
from minimoe.params.settings import settings
from minimoe.system import machine
from minimoe.system.files import write_json
from minimoe.system.memory import keep_freed_memory
from minimoe.tasks.task import from_settings, with_labels
from stages import run
from stages._run import training


def main() -> None:
    """Run the stage."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", help="as in table.models")
    parser.add_argument("task", help="as in table.tasks")
    model, task = vars(parser.parse_args()).values()
    params = load()
    named(params, "table.models", model)
    named(params, "table.tasks", task)
    cell(params, model, model, task)


def cell(params: Params, row: str, model: str, task: str, taught: dict | None = None) -> None:
    """Make one cell of the table.

    Args:
        row: its name in the table; model: the folder in models/ that is finetuned.
        taught: what a finetuned model teaches, as `Teaching`; default: none does.
    """
    keep_freed_memory()
    os.environ |= machine.CELL_ENVIRONMENT
    with machine.importing():
        from minimoe.finetune.cell import finetune
        from minimoe.finetune.similarity import score_similarity
        from minimoe.finetune.teaching import Teaching
        from minimoe.training.compiled import compiles

    device = machine.device(params.runtime.device)
    chosen, facts = settings(f"finetune/{task}"), taught or {}
    kind = from_settings(chosen["task"])
    inputs = {f"models/{model}": "model", f"data/tasks/{task}": "training" if kind.trained else "evaluation"}
    inputs |= {facts[key]: read for key, read in (("teacher", "model"), ("texts", "training")) if key in facts}
    read = {f"data/settings/finetune/{task}.json": "settings"}
    with training("finetune", f"{row}/{task}", inputs, chosen | facts, params.runtime, read) as this:
        kind = with_labels(kind, f"data/tasks/{task}")
        del chosen["task"]
        written = f"finetuned/{row}/{task}", f"predictions/{row}/{task}.parquet"
        places = f"models/{model}", kind, f"data/tasks/{task}", *written
        tracker = this.tracker(f"{row}/{task}", {"model": row, "task": task}, chosen | facts)
        if kind.trained:
            made = finetune(
                row,
                *places,
                **chosen,
                device=device,
                teaching=Teaching(**taught) if taught else None,
                captured=compiles(params.runtime.compile, device),
                log_every=params.runtime.log_every,
                tracker=tracker,
                checkpoints=this.checkpoints,
            )
        else:
            made = score_similarity(row, *places, **chosen, device=device, tracker=tracker)
        write_json(f"metrics/finetune/{row}/{task}.json", made)
    for column, result in made["results"].items():
        print(f"{row} {column}: {result['mean']:.1f} ± {result['std']:.1f} (majority {result['majority']:.1f})")


if __name__ == "__main__":
    run(main)
