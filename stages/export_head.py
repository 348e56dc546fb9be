"""export-head: one finetuned model as ONNX in fp32 and int8, checked against PyTorch and scored on the dev set."""

import argparse

from minimoe import tracking
from minimoe.params import load, named
from minimoe.params.settings import settings
from minimoe.system import machine
from minimoe.system.files import write_json
from minimoe.tasks.task import from_settings, with_labels
from stages import run


def main() -> None:
    """Run the stage for the model and the task named on the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", help="as in export.models")
    parser.add_argument("task", help="as in export.tasks")
    model, task = vars(parser.parse_args()).values()
    params = load()
    named(params, "export.models", model)
    named(params, "export.tasks", task)
    with machine.importing():
        from minimoe.export.head import export_head
    chosen, data, out = settings(f"finetune/{task}"), f"data/tasks/{task}", f"exported/{model}/{task}"
    kind = with_labels(from_settings(chosen["task"]), data)
    about = {key: chosen[key] for key in ("max_length", "threads")}
    tags = {"stage": "export-head", "model": model, "task": task}
    finetuned = f"finetuned/{model}/{task}"
    inputs = {finetuned: "model", data: "evaluation"}
    with tracking.run(params.runtime.tracking, f"{model}/{task}", tags, about, inputs=inputs) as tracker:
        made = export_head(finetuned, kind, data, out, **about)
        tracker.metrics({key: value for key, value in made.items() if not isinstance(value, str)})
    write_json(f"metrics/export/{model}/{task}.json", made)
    scores = ", ".join(f"{form} {made[f'score_{form}']:.1f}" for form in ("pytorch", "fp32", "int8"))
    print(f"{out}: error {made['error']:.1g}; {made['column']}: {scores}")


if __name__ == "__main__":
    run(main)
