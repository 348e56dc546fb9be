"""finetune: one model on one task, or as it is; `python -m stages.finetune <model> <task>`.

The model `taught/<model>` is that model once more, with a finetuned one teaching it the task.
"""

import argparse
import os

from minimoe.params import load, named
from minimoe.params.schema import TAUGHT
from minimoe.params.settings import settings
from minimoe.system import machine
from minimoe.system.files import write_json
from minimoe.system.memory import keep_freed_memory
from minimoe.tasks.task import from_settings
from stages import run
from stages._run import training


def main() -> None:
    """Run the stage."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", help="as in table.models")
    parser.add_argument("task", help="as in table.tasks")
    model, task = vars(parser.parse_args()).values()
    params = load()
    named(params, "rows", model)
    named(params, "table.tasks", task)
    keep_freed_memory()
    os.environ |= machine.CELL_ENVIRONMENT
    with machine.importing():
        from minimoe.finetune.cell import finetune
        from minimoe.finetune.similarity import score_similarity
        from minimoe.finetune.teaching import Teaching
        from minimoe.training.compiled import compiles

    device = machine.device(params.runtime.device)
    chosen = settings(f"finetune/{task}")
    own = model.removeprefix(TAUGHT)
    inputs, facts, teaching = [f"models/{own}", f"data/tasks/{task}"], chosen, None
    if own != model:
        taught = settings("taught")
        teaching = Teaching(f"finetuned/{taught.pop('teacher')}/{task}", **taught, texts="data/formatted")
        inputs += [teaching.teacher, teaching.texts]
        facts = chosen | {"taught": taught}
    with training("finetune", f"{model}/{task}", inputs, facts, params.runtime) as this:
        row = from_settings(chosen.pop("task"))
        places = f"models/{own}", row, f"data/tasks/{task}", f"finetuned/{model}/{task}"
        tracker = this.tracker(f"{model}/{task}", {"model": model, "task": task}, chosen)
        if row.trained:
            cell = finetune(
                model,
                *places,
                **chosen,
                device=device,
                teaching=teaching,
                captured=compiles(params.runtime.compile, device),
                log_every=params.runtime.log_every,
                tracker=tracker,
                checkpoints=this.checkpoints,
            )
        else:
            cell = score_similarity(model, *places, **chosen, device=device, tracker=tracker)
        write_json(f"metrics/finetune/{model}/{task}.json", cell)
    for column, result in cell["results"].items():
        print(f"{model} {column}: {result['mean']:.1f} ± {result['std']:.1f} (majority {result['majority']:.1f})")


if __name__ == "__main__":
    run(main)
