"""A round: one teacher, one pass over the corpus, one or more students.

The teacher's forward pass costs far more than a small student's step, so the students of a round share it. They
share nothing else (see `learner`), but for a family's members, which share their weights (see `family`).
"""

from collections.abc import Callable
from pathlib import Path

from accelerate import Accelerator

from minimoe.distill.assistant import choose
from minimoe.distill.hooks import Teacher
from minimoe.distill.learner import PRECISIONS, Learner, autocast
from minimoe.distill.loop import Pass
from minimoe.distill.outcome import Outcome
from minimoe.distill.start import Start
from minimoe.models.shapes import positions
from minimoe.models.sparsified import Sparsified
from minimoe.params.rounds import ASSISTANT, Distill, OnceForAll, Student
from minimoe.records.dataset import Records, check_fits
from minimoe.resume.checkpoints import Checkpoints, NoCheckpoints
from minimoe.system.errors import UserError


def distil(
    teacher_folder: str | Path,
    records: Records,
    students: dict[str, Student],
    settings: Distill,
    seed: int,
    *,
    once_for_all: OnceForAll | None = None,
    assistant: bool = False,
    trackers: dict,
    device: str = "cpu",
    micro_batch: int = 0,
    log_every: int = 10,
    checkpoints: Checkpoints | None = None,
) -> dict[str, Outcome]:
    """Train the students of one round.

    Args:
        teacher_folder: a Hugging Face encoder of a kind in `taps.ARCHITECTURES`.
        records: what to train on, and what is held out, of which `settings.heldout` are measured on.
        students: their shapes, by name.
        settings: the round's settings.
        seed: of initial weights, order and dropout.
        once_for_all: further students, which share one set of weights.
        assistant: whether to choose an assistant first and have it teach the students (MiniDisc).
        trackers: by student, where curves go.
        device: cpu or cuda.
        micro_batch: sequences at once on a device; 0 means all of its share.
        log_every: steps between two points of the training curves.
        checkpoints: what was done already, and where more is kept; default: nothing and nowhere.

    Raises:
        UserError: settings that do not fit the teacher or the records, or a loss that is no number any more.
    """
    # the precision is the round's: one that a launcher's config names would change the result
    accelerator = Accelerator(cpu=device == "cpu", mixed_precision="no")
    teacher = _teacher(teacher_folder, records, settings)
    teacher.to(accelerator)
    checkpoints = checkpoints or NoCheckpoints()
    over = Pass(records, settings, seed, accelerator, micro_batch, log_every)
    start = Start(teacher.config, settings, seed)
    if any(student.sparsity is not None for student in students.values()):
        start.sparsified = Sparsified(teacher_folder)
    outcomes, teach = {}, _in_precision(teacher, over)
    if assistant:
        lowest = min(student.sparsity for student in students.values())
        kept = checkpoints.part(ASSISTANT)
        outcomes[ASSISTANT] = choose(over, start, teach, below=lowest, tracker=trackers[ASSISTANT], checkpoints=kept)
        teach = _in_precision(_assistant(outcomes[ASSISTANT], start), over)

    learners = [_learner(start.student(shape), over, name) for name, shape in students.items()]
    if once_for_all:
        learners.append(_learner(start.once_for_all(once_for_all), over))
    outcomes |= over.run(learners, teach, trackers, checkpoints.part("students"))
    for name, shape in students.items():
        if shape.sparsity is not None:
            outcomes[name].about["sparsity"] = shape.sparsity
    return outcomes


def _assistant(chosen: Outcome, start: Start) -> Callable:
    """From a batch to the taps of the assistant, of which the students are cut as well."""
    start.assistant = chosen.learner.student.member(chosen.name).eval().requires_grad_(False)
    return lambda batch: start.assistant(**batch)[0]


def _learner(student, over: Pass, name: str = "") -> Learner:
    student.to(over.accelerator.device)
    return Learner(student, over.settings, over.steps, over.seed, over.accelerator, name)


def _in_precision(teacher: Callable, over: Pass) -> Callable:
    """From a batch to the teacher's taps, in the round's precision."""

    def taps(batch):
        with autocast(over.accelerator.device, over.settings.precision):
            return teacher(batch)

    return taps


def _teacher(folder: str | Path, records: Records, settings: Distill) -> Teacher:
    """The teacher, which must fit the records and the settings."""
    states, dtype = settings.objective == "tinybert", PRECISIONS[settings.precision]
    teacher = Teacher(folder, settings.teacher_layer, states=states, dtype=dtype)
    check_fits(records.manifest, positions(teacher.config), teacher.config.vocab_size, f"the teacher {folder}")
    width = teacher.config.hidden_size
    if settings.objective == "minilm" and width % settings.relation_heads:
        raise UserError(
            f"distill.relation_heads: expected a divisor of {width}, the width of the teacher {folder}; "
            f"got {settings.relation_heads}"
        )
    return teacher
