"""teacher: an encoder from the hub, from a folder, or pretrained here."""

from minimoe.hub.origin import record
from minimoe.params import load
from minimoe.params.settings import settings
from minimoe.system import machine
from minimoe.teacher.copy import copy_teacher
from stages import run

TOKENIZER, OUT = "data/tokenizer", "models/teacher"


def main() -> None:
    """Run the stage."""
    teacher, read = settings("teacher"), {}
    match teacher["source"]:
        case "pretrain":
            _pretrain({**teacher["pretrain"], "seed": teacher["seed"]})
        case "local":
            said = copy_teacher(teacher["path"], TOKENIZER, OUT)
            read = {"teacher": said} if said else {}
        case "hub":
            said = copy_teacher(teacher["hub"], TOKENIZER, OUT, revision=teacher["revision"])
            read["teacher"] = {"hub": teacher["hub"], "revision": teacher["revision"], **said}
    record("teacher", "teacher", read, load().runtime.tracking)


def _pretrain(chosen: dict) -> None:
    from minimoe.records.dataset import Records
    from minimoe.system.memory import keep_freed_memory
    from minimoe.teacher.pretrain import pretrain
    from stages._run import training

    keep_freed_memory()
    params = load()
    records = Records("data/records")
    read = {"data/settings/teacher.json": "settings", "data/records": "training"}
    facts = [chosen, records.manifest]
    with training("teacher", "", {TOKENIZER: "tokenizer"}, facts, params.runtime, read) as this:
        losses = pretrain(
            records,
            TOKENIZER,
            OUT,
            **chosen,
            device=machine.device(params.runtime.device),
            log_every=params.runtime.log_every,
            tracker=this.tracker("teacher", {}, chosen),
            checkpoints=this.checkpoints,
        )
    print(f"teacher: nats a masked token: {losses.training:.3f} in training, {losses.heldout:.3f} held out, afterwards")


if __name__ == "__main__":
    run(main)
