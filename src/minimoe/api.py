"""Distill in one call, without DVC and params.yaml: a student from a teacher and a text file.

    from minimoe.api import Student, distill
    from transformers import AutoModel, AutoTokenizer

    folder = distill("google-bert/bert-base-uncased", "text.txt", Student(layers=3, hidden=384), "student")
    model, tokenizer = AutoModel.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)

A student with experts, `Student(layers=3, hidden=384, experts={"ffn": 4})`, is no plain BERT: its folder has the code
that it needs, so `AutoModel.from_pretrained(folder, trust_remote_code=True)` loads it.

The pipeline has more: several students that share a teacher's forward pass, sparse and once-for-all students,
assistants, finetuning, tables, runs in MLflow, and work that goes on after it was killed.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from minimoe.params.rounds import Student
from minimoe.system.errors import UserError

__all__ = ["Student", "distill"]

DEFAULTS = "paper_base"  # the profile whose settings count, but for these, as a text is shorter than Wikipedia:
SHORTER = {"batch": 32, "evaluate_every": 100}
HELDOUT, MOST_HELDOUT = 0.01, 256  # share of documents, at least two of them; records of them that are measured on


def distill(
    teacher: str | Path,
    text: str | Path,
    student: Student,
    out: str | Path,
    *,
    revision: str = "main",
    language: str = "en",
    max_length: int = 128,
    seed: int = 776,
    device: str = "auto",
    work: str | Path | None = None,
    **settings,
) -> Path:
    """Train `student` to imitate `teacher` on `text`; returns `out`, a Hugging Face model folder with its tokenizer.

    Args:
        teacher: a Hugging Face encoder: a folder with its tokenizer, or an id of the hub.
        text: a .txt file, or a folder of some: a sentence or a paragraph a line, a blank line between documents. There
            must be four documents, two of which are held out. Sentences of less than eight words are left out (in
            languages without spaces between words: of less than eight characters).
        student: its shape. Its width and the teacher's need a common divisor, the number of relation heads.
        out: a new or empty folder.
        revision: of a teacher of the hub: a branch, tag or commit.
        language: ISO code of the text's language, by which it is cut into sentences.
        max_length: tokens of a training example, special ones included.
        seed: of the student's initial weights, of the order of examples and of dropout.
        device: auto (a GPU where there is one), cpu or cuda.
        work: keeps the training examples and the copy of the teacher; default: a temporary folder beside `out`.
        settings: of `distill` in params.yaml, such as `epochs=3, batch=256, learning_rate=6e-4`; default: the published
            ones, but for a batch of 32. With `objective="embedding"` the student is a sentence encoder, whose folder
            sentence-transformers loads.

    Raises:
        UserError: a teacher, text or setting that will not do, in one line.
        ValueError: a setting that is none or out of its range.
    """
    out, text = Path(out), Path(text)
    _check(text, student, out)

    # here, as importing this module is to take no time
    from minimoe.distill.round import write_student
    from minimoe.hub.loading import load_tokenizer
    from minimoe.resume.work import place
    from minimoe.system.files import whole_folder
    from minimoe.teacher.copy import copy_teacher
    from minimoe.teacher.tokenizer import copy_tokenizer

    hub = None if Path(teacher).is_dir() else revision
    # absolute, as processes of a call before may be at work in another folder
    temporary_or_given = place(Path(work).absolute() if work else None, out.absolute())
    with temporary_or_given as folder, _named({folder / "teacher": teacher, **_texts(folder, text)}):
        copy_tokenizer(str(teacher), folder / "tokenizer", revision=hub)
        _make_records(text, folder, language, max_length, seed)
        copy_teacher(str(teacher), folder / "tokenizer", folder / "teacher", revision=hub)
        trained = _train(folder, student, seed, device, settings)
        with whole_folder(out) as temporary:
            write_student(trained, temporary)
            load_tokenizer(folder / "teacher").save_pretrained(temporary)
    return out


def _check(text: Path, student: Student, out: Path) -> None:
    """Raise `UserError` for what is wrong before anything is read."""
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UserError(f"{out}: exists; expected a new or empty folder to write to")
    if not text.exists():
        raise UserError(f"{text}: no such file; expected text, a blank line between documents")
    if student.sparsity is not None:
        raise UserError("student: expected layers and hidden; a sparse student needs importances, as the pipeline has")


def _make_records(text: Path, folder: Path, language: str, max_length: int, seed: int) -> None:
    """The text as training examples, in `folder/records`."""
    from minimoe.corpus.build import build_records
    from minimoe.corpus.extract import extract
    from minimoe.corpus.format import format_corpus
    from minimoe.system.machine import workers

    corpus, processes = _published().corpus, workers(0)
    dump, extracted, formatted = _texts(folder, text)
    dump.parent.mkdir(exist_ok=True)
    dump.unlink(missing_ok=True)
    dump.symlink_to(text.resolve())
    extract(dump.parent, extracted, "text", templates=False, workers=processes, document_end="blank_line")
    format_corpus(extracted, formatted, language, **corpus.format.model_dump(), workers=processes)
    build_records(
        formatted,
        folder / "tokenizer",
        folder / "records",
        max_length=max_length,
        short_probability=corpus.records.short_probability,
        shard_records=1 << 20,
        heldout=HELDOUT,
        seed=seed,
        workers=processes,
    )


def _train(folder: Path, student: Student, seed: int, device: str, settings: dict):
    """The student that learned from `folder/teacher` on `folder/records`."""
    from minimoe.distill.hooks import LayerHooks
    from minimoe.distill.round import distill as train
    from minimoe.hub.loading import load_config
    from minimoe.params.rounds import Distill
    from minimoe.records.dataset import Records
    from minimoe.report import flops
    from minimoe.system import machine
    from minimoe.system.memory import keep_freed_memory
    from minimoe.tracking import NoTracker

    keep_freed_memory()
    device, published = machine.device(device), _published().distill
    records = Records(folder / "records")
    last = LayerHooks(flops.encoder(load_config(folder / "teacher")), "last").taps[-1]
    widths = {student.hidden, *last.widths.values()}
    heads = range(1, published.relation_heads + 1)
    fitting = {
        "heldout": min(MOST_HELDOUT, records.manifest["heldout"]),
        "relation_heads": max(number for number in heads if not any(width % number for width in widths)),
        "precision": published.precision if device == "cuda" else "fp32",
    }
    chosen = Distill.model_validate(published.model_dump() | SHORTER | fitting | settings)
    students = train(
        folder / "teacher",
        records,
        {"student": student},
        chosen,
        seed,
        trackers={"student": NoTracker()},
        device=device,
    )
    losses = [point["heldout_loss"] for point in students["student"].curve]
    print(f"student: loss on held-out examples: {losses[0]:.4f} before training, {losses[-1]:.4f} after")
    return students["student"]


def _published():
    from minimoe.pipeline.profiles import load_profile, shipped

    return load_profile(DEFAULTS, shipped())


def _texts(folder: Path, text: Path) -> dict[Path, Path]:
    """What is made of the text before there are examples, each with its name in errors."""
    dump = "dump/text" if text.is_dir() else "dump/text.txt"
    return {folder / made: text for made in (dump, "extracted", "formatted")}


@contextmanager
def _named(names: dict[Path, str | Path]) -> Iterator[None]:
    """Errors name what the user named, not the copies."""
    try:
        yield
    except UserError as error:
        message = str(error)
        for path, name in names.items():
            message = message.replace(str(path), str(name))
        raise UserError(message) from None
