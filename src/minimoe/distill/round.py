"""A round: one teacher, one pass over the records, one or more students.

The teacher's forward pass costs far more than a small student's step, so the students of a round share it. They share
nothing else, but for those of one supernet, which share their weights.
"""

import sys
from pathlib import Path

import torch
from accelerate import Accelerator
from transformers import AutoModel

from minimoe.distill.assistant import AssistantTeacher, choose_assistant
from minimoe.distill.data import RoundData
from minimoe.distill.heldout import StudentResult
from minimoe.distill.hooks import Teacher, check_objective
from minimoe.distill.learner import Learner
from minimoe.distill.loop import TrainingLoop
from minimoe.distill.start import StudentFactory
from minimoe.hub.loading import load_encoder, load_tokenizer
from minimoe.models.save import save
from minimoe.models.sentence import write_head
from minimoe.models.shapes import positions
from minimoe.models.sparsified import Sparsified
from minimoe.params.rounds import ASSISTANT, Distill, OnceForAll, Student
from minimoe.records.dataset import Records, check_fits
from minimoe.resume.checkpoints import Checkpoints, NoCheckpoints
from minimoe.system.files import whole_folder
from minimoe.training.optim import deterministic
from minimoe.training.speed import product_rate, warning


def distill(
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
        seed: of initial weights, order and dropout.
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
    # the precision is the round's: one that a launcher's config names would change the result
    accelerator = Accelerator(cpu=device == "cpu", mixed_precision="no")
    _warn_where_slower(settings, accelerator)
    if same_bits:
        deterministic(accelerator.device)
    teacher = _teacher(teacher_folder, records, settings)
    teacher.to(accelerator, compiled=compiled)
    checkpoints = checkpoints or NoCheckpoints()
    data = RoundData(records, settings, seed, accelerator, micro_batch)
    factory = StudentFactory(teacher.config, settings, seed, head=teacher.head, length=records.manifest["max_length"])
    if any(student.sparsity is not None for student in students.values()):
        factory.sparsified = Sparsified(teacher_folder)
    if any(student.start != "random" for student in students.values()):
        factory.encoder = load_encoder(AutoModel, teacher_folder, dtype=torch.float32)
    results = {}
    if assistant:
        chosen = results[ASSISTANT] = choose_assistant(
            data, factory, teacher, below=min(student.sparsity for student in students.values()), compiled=compiled,
            tracker=trackers[ASSISTANT], checkpoints=checkpoints.part(ASSISTANT), log_every=log_every,
        )  # fmt: skip
        factory.assistant = chosen.learner.supernet.subnet(chosen.name)
        teacher = AssistantTeacher(factory.assistant, settings.precision, compiled=compiled)
    learners = _learners(data, factory, students, once_for_all, compiled)
    factory.encoder = None  # is not kept while they train
    results |= TrainingLoop(data, learners, teacher, trackers, checkpoints.part("students"), log_every).run()
    for name, shape in students.items():
        if shape.sparsity is not None:
            results[name].details["sparsity"] = shape.sparsity
    return results


def _learners(
    data: RoundData, factory: StudentFactory, students: dict[str, Student], shared: OnceForAll | None, compiled: bool
) -> list[Learner]:
    """A learner for each student, and one for those that share their weights."""
    supernets = [factory.student(name, shape) for name, shape in students.items()]
    if shared:
        supernets.append(factory.once_for_all(shared))
    accelerator = data.accelerator
    return [
        Learner(own.to(accelerator.device), data.settings, data.steps, data.seed, accelerator, compiled=compiled)
        for own in supernets
    ]


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


def _warn_where_slower(settings: Distill, accelerator: Accelerator) -> None:
    """Say in one line, where something is trained, that this machine would be faster in fp32."""
    precision, device = settings.precision, accelerator.device.type
    if precision == "fp32" or not settings.epochs or not accelerator.is_main_process:
        return
    if slow := warning(precision, {name: product_rate(name, device) for name in ("fp32", precision)}):
        print(slow, file=sys.stderr)


def _teacher(folder: str | Path, records: Records, settings: Distill) -> Teacher:
    """The teacher, which must fit the records and the settings."""
    objective = settings.objective
    layer = "last" if objective == "embedding" else settings.teacher_layer
    teacher = Teacher(
        folder, layer, states=objective == "tinybert", sentence=objective == "embedding", precision=settings.precision
    )
    config, name = teacher.config, f"the teacher {folder}"
    check_fits(
        records.manifest, positions(config), config.vocab_size, name, segments=getattr(config, "type_vocab_size", 0)
    )
    check_objective(teacher.hooks, settings, folder)
    return teacher
