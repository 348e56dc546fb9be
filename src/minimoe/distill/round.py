"""A round: one teacher, one pass over the records, one or more students; a second pass where there are two phases.

The teacher's forward pass costs far more than a small student's step, so the students of a round share it. They share
nothing else, but for those of one supernet, which share their weights.
"""

import sys
from pathlib import Path

from accelerate import Accelerator

from minimoe.distill.assistant import AssistantTeacher, choose_assistant
from minimoe.distill.heldout import StudentResult
from minimoe.distill.phase import Phase, train_both
from minimoe.hub.loading import load_tokenizer
from minimoe.models.save import save
from minimoe.models.sentence import write_head
from minimoe.params.rounds import ASSISTANT, Distill, OnceForAll, Student
from minimoe.records.dataset import Records
from minimoe.resume.checkpoints import Checkpoints, NoCheckpoints
from minimoe.system.files import whole_folder
from minimoe.training.draws import mixed
from minimoe.training.optim import deterministic
from minimoe.training.speed import product_rate, warning

SECOND = 1  # the phase's part of its seed


def distill(
    teacher_folder: str | Path,
    records: Records,
    students: dict[str, Student],
    settings: Distill,
    seed: int,
    *,
    then: Distill | None = None,
    once_for_all: OnceForAll | None = None,
    assistant: bool = False,
    trackers: dict,
    device: str = "cpu",
    compiled: bool = False,
    same_bits: bool = False,
    micro_batch: int = 0,
    log_every: int = 10,
    checkpoints: Checkpoints | None = None,
) -> dict[str, StudentResult]:
    """Train the students of one round.

    Args:
        teacher_folder: a Hugging Face encoder of a kind in `models.kinds`.
        records: what to train on, and what is held out, of which `settings.heldout` are measured on.
        students: their shapes, by name.
        settings: the round's settings.
        seed: of the order, and of initial weights and dropout of students without a seed of their own.
        then: of a second phase, in which the same students go on; every draw of it is another one.
        once_for_all: further students, which share one set of weights.
        assistant: whether to choose an assistant first and have it teach the students (MiniDisc).
        trackers: by student, where curves go.
        device: cpu or cuda.
        compiled: whether encoders run compiled, layer by layer, and steps as CUDA graphs, where they can.
        same_bits: whether a GPU takes kernels that give the same result every time.
        micro_batch: sequences at once on a device; 0 means all of its share.
        log_every: steps between two points of the training curves.
        checkpoints: from which to resume, and where to save; default: none.

    Raises:
        UserError: settings that do not fit the teacher or the records, or a loss that becomes NaN or infinite.
    """
    accelerator = _accelerator(device, [settings, then] if then else [settings], same_bits)
    checkpoints, options = checkpoints or NoCheckpoints(), {"compiled": compiled, "log_every": log_every}
    first = Phase(teacher_folder, records, students, settings, seed, accelerator, micro_batch)
    if then:  # its students are made now, so that what does not fit is told before anything is trained
        second = Phase(teacher_folder, records, students, then, _second(seed), accelerator, micro_batch)
        second.make_students({name: _reseeded(shape) for name, shape in students.items()}, once_for_all)
    results = {}
    first.teacher.to(accelerator, compiled=compiled)
    if assistant:
        parts = checkpoints.part(ASSISTANT)
        results[ASSISTANT] = _with_assistant(first, students, trackers[ASSISTANT], parts, **options)
    first.make_students(students, once_for_all)
    if then:
        results = train_both(first, second, trackers, checkpoints, **options)
    else:
        results |= first.train(trackers, checkpoints.part("students"), **options)
    for name, shape in students.items():
        if shape.sparsity is not None:
            results[name].details["sparsity"] = shape.sparsity
    return results


def _second(seed: int) -> int:
    """The second phase's seed, from the first one's."""
    return mixed(seed, SECOND) % 2**32


def _reseeded(student: Student) -> Student:
    """The student with the second phase's seed, where it has one of its own."""
    return student if student.seed is None else student.model_copy(update={"seed": _second(student.seed)})


def _accelerator(device: str, phases: list[Distill], same_bits: bool) -> Accelerator:
    """Set up the device, and say where this machine would be faster in another precision."""
    # the precision is the round's: one that a launcher's config names would change the result
    accelerator = Accelerator(cpu=device == "cpu", mixed_precision="no")
    for precision in dict.fromkeys(phase.precision for phase in phases if phase.epochs):
        _warn_where_slower(precision, accelerator)
    if same_bits:
        deterministic(accelerator.device)
    return accelerator


def _with_assistant(
    phase: Phase, students: dict[str, Student], tracker, checkpoints: Checkpoints, **options
) -> StudentResult:
    """Choose an assistant, and have it teach the phase's students; returns its result."""
    below = min(student.sparsity for student in students.values())
    chosen = choose_assistant(
        phase.data, phase.factory, phase.teacher, below=below, tracker=tracker, checkpoints=checkpoints, **options
    )
    phase.factory.assistant = chosen.learner.supernet.subnet(chosen.name)
    precision, compiled = phase.data.settings.precision, options["compiled"]
    phase.teacher = AssistantTeacher(phase.factory.assistant, precision, compiled=compiled)
    return chosen


def write_student(result: StudentResult, folder: str | Path) -> None:
    """Write the student's encoder, and how its states become sentence embeddings where it learned those."""
    save(result.encoder, folder)
    if result.head:
        write_head(result.head, folder)


def write_students(results: dict[str, StudentResult], teacher_folder: str | Path, folder: str | Path) -> None:
    """Write `folder/<student>` for every student, all of them or none, each with its teacher's tokenizer."""
    tokenizer = load_tokenizer(teacher_folder)
    with whole_folder(folder) as temporary:
        for name, result in results.items():
            write_student(result, temporary / name)
            tokenizer.save_pretrained(temporary / name)


def _warn_where_slower(precision: str, accelerator: Accelerator) -> None:
    """Say in one line that this machine would be faster in fp32."""
    device = accelerator.device.type
    if precision == "fp32" or not accelerator.is_main_process:
        return
    if slow := warning(precision, {name: product_rate(name, device) for name in ("fp32", precision)}):
        print(slow, file=sys.stderr)
