"""distill: one round, from its teacher and the records to a model folder per student."""

import sys
from contextlib import ExitStack

import pandas as pd

from minimoe import tracking
from minimoe.distill.round import distill, write_students
from minimoe.hub.loading import load_tokenizer
from minimoe.params import load, named
from minimoe.params.settings import round_of, settings
from minimoe.records.dataset import Records
from minimoe.resume.checkpoints import Checkpoints
from minimoe.resume.work import work_folder
from minimoe.system.files import whole_file, write_json
from minimoe.system.launch import launch
from minimoe.system.machine import device, is_main
from minimoe.system.memory import keep_freed_memory
from stages import run


def main() -> None:
    """Run the stage for the round named on the command line."""
    params = load()
    name = named(params, "rounds", " ".join(sys.argv[1:]))
    chosen, runtime = settings(f"rounds/{name}"), params.runtime
    round_, values = round_of(chosen)
    launch(runtime.launcher, "stages.distill")
    keep_freed_memory()
    load_tokenizer(round_.teacher)  # the students get it in the end: here a bad one costs no training
    records = Records("data/records")
    if not records.heldout and is_main():
        print(
            "data/records: the published form does not tell documents, so single records are held out: "
            "training records have sentences of theirs",
            file=sys.stderr,
        )
    facts = {"settings": chosen, "records": records.manifest}
    checkpoints = Checkpoints(work_folder("distill", name, [round_.teacher], facts), runtime.checkpoint_minutes)
    with ExitStack() as runs:
        trackers = {
            student: runs.enter_context(
                tracking.run(
                    runtime.tracking,
                    name=f"distill {name}/{student}",
                    tags={
                        "stage": "distill",
                        "round": name,
                        "student": student,
                        "model": f"{name}/{student}",
                    },
                    params={
                        "teacher": round_.teacher,
                        "heldout_documents": bool(records.heldout),
                        **round_.shape(student),
                        **values.model_dump(),
                    },
                    memory=checkpoints.run_id(student),
                )
            )
            for student in round_.models
        }
        results = distill(
            round_.teacher,
            records,
            round_.students,
            values,
            chosen["seed"],
            once_for_all=round_.once_for_all,
            assistant=round_.assistant == "auto",
            trackers=trackers,
            device=device(runtime.device),
            micro_batch=runtime.micro_batch,
            log_every=runtime.log_every,
            checkpoints=checkpoints,
        )
    if is_main():
        _write(name, round_.teacher, results, bool(records.heldout))
        checkpoints.remove()


def _write(name: str, teacher: str, results: dict, heldout_documents: bool) -> None:
    write_students(results, teacher, f"models/{name}")
    rows = [{"student": student, **row} for student, result in results.items() for row in result.curve]
    with whole_file(f"curves/{name}.csv") as path:
        pd.DataFrame(rows).to_csv(path, index=False)
    held = {"heldout_documents": heldout_documents}  # or single records
    write_json(
        f"metrics/distill/{name}.json", {student: result.metrics() | held for student, result in results.items()}
    )


if __name__ == "__main__":
    run(main)
