"""distill: one round, from its teacher and the records to a model folder per student."""

import sys

import pandas as pd

from minimoe.distill.round import distill, write_students
from minimoe.hub.loading import load_tokenizer
from minimoe.params import load, named
from minimoe.params.settings import round_of, settings
from minimoe.records.dataset import Records
from minimoe.system.files import whole_file, write_json
from minimoe.system.launch import launch
from minimoe.system.machine import computing, device, is_main
from minimoe.system.memory import keep_freed_memory
from minimoe.training.compiled import compiles
from stages import run
from stages._run import training


def main() -> None:
    """Run the stage for the round named on the command line."""
    params = load()
    name = named(params, "rounds", " ".join(sys.argv[1:]))
    chosen, runtime = settings(f"rounds/{name}"), params.runtime
    round_, (values, *then) = round_of(chosen)
    launch(runtime.launcher, "stages.distill")
    on = device(runtime.device)
    keep_freed_memory()
    load_tokenizer(round_.teacher)  # the students get it in the end: here a bad one costs no training
    records = Records("data/records")
    held = {"heldout_documents": bool(records.heldout)}
    if not records.heldout and is_main():
        print(
            "data/records: the published form does not mark documents, so single records are held out, and training "
            "records share sentences with them",
            file=sys.stderr,
        )
    facts = {"settings": chosen, "records": records.manifest}
    read = {f"data/settings/rounds/{name}.json": "settings", "data/records": "training"}
    threads = runtime.round_threads if on == "cpu" else 0
    with computing(threads), training("distill", name, {round_.teacher: "model"}, facts, runtime, read) as this:
        about = {"teacher": round_.teacher, **held, **values.model_dump()}
        about |= {f"then.{key}": value for second in then for key, value in second.model_dump().items()}
        # a student's name has no dot in front
        whole = this.tracker(f"distill {name}", {"round": name}, about, key=".round")
        trackers = {
            student: this.tracker(
                f"distill {name}/{student}",
                {"round": name, "student": student, "model": f"{name}/{student}"},
                round_.shape(student) | about,
                key=student,
                parent=whole,
            )
            for student in round_.models
        }
        results = distill(
            round_.teacher, records, round_.students, values, chosen["seed"],
            then=next(iter(then), None),
            once_for_all=round_.once_for_all,
            assistant=round_.assistant == "auto",
            trackers=trackers,
            device=on,
            compiled=compiles(runtime.compile, on),
            same_bits=runtime.deterministic,
            micro_batch=runtime.micro_batch,
            log_every=runtime.log_every,
            checkpoints=this.checkpoints,
        )  # fmt: skip
        if is_main():
            write_students(results, round_.teacher, f"models/{name}")
            rows = [row for student, result in results.items() for row in result.rows(student)]
            with whole_file(f"curves/{name}.csv") as path:
                pd.DataFrame(rows).to_csv(path, index=False)
            metrics = {student: result.metrics() | held for student, result in results.items()}
            write_json(f"metrics/distill/{name}.json", metrics)


if __name__ == "__main__":
    run(main)
