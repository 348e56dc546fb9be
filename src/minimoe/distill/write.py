"""A round's students as Hugging Face folders, each with its teacher's tokenizer."""

from pathlib import Path

from minimoe.distill.outcome import Outcome
from minimoe.hub.loading import load_tokenizer
from minimoe.models.save import save
from minimoe.system.files import whole_folder


def write_students(outcomes: dict[str, Outcome], teacher_folder: str | Path, folder: str | Path) -> None:
    """Write `folder/<student>` for every student, all of them or none."""
    tokenizer = load_tokenizer(teacher_folder)
    with whole_folder(folder) as temporary:
        for name, outcome in outcomes.items():
            save(outcome.encoder, temporary / name)
            tokenizer.save_pretrained(temporary / name)
