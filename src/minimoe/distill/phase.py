"""A phase of a round: the students under one objective, with an optimizer and a schedule of its own.

A round has one, or with `then` two: in the second the students go on with their weights.
"""

from pathlib import Path

import torch
from accelerate import Accelerator
from transformers import AutoModel

from minimoe.distill.assistant import Prefixed
from minimoe.distill.data import RoundData
from minimoe.distill.heldout import StudentResult
from minimoe.distill.hooks import Teacher, check_objective
from minimoe.distill.learner import Learner
from minimoe.distill.loop import TrainingLoop
from minimoe.distill.start import StudentFactory
from minimoe.distill.supernet import Supernet
from minimoe.hub.loading import load_encoder
from minimoe.models.shapes import positions
from minimoe.models.sparsified import Sparsified
from minimoe.params.rounds import Distill, OnceForAll, Student
from minimoe.records.dataset import Records, check_fits
from minimoe.resume.checkpoints import Checkpoints


class Phase:
    """What a phase trains with: data, teacher, and students, which are on the CPU until it begins.

    Args:
        folder: the teacher's.
        records, settings, seed, micro_batch: as of `distill`; the settings are the phase's.
        students: their shapes, by name.
        accelerator: knows the device and the other processes.
    """

    def __init__(
        self,
        folder: str | Path,
        records: Records,
        students: dict[str, Student],
        settings: Distill,
        seed: int,
        accelerator: Accelerator,
        micro_batch: int,
    ):
        self.teacher = _teacher(folder, records, settings)
        self.data = RoundData(records, settings, seed, accelerator, micro_batch)
        config, head = self.teacher.config, self.teacher.head
        self.factory = StudentFactory(config, settings, seed, head=head, length=records.manifest["max_length"])
        if any(student.sparsity is not None for student in students.values()):
            self.factory.sparsified = Sparsified(folder)
        if any(student.start != "random" for student in students.values()):
            self.factory.encoder = load_encoder(AutoModel, folder, dtype=torch.float32)
        self.supernets: list[Supernet] = []
        self.seeds: list[int] = []  # of their dropout and router noise

    def make_students(self, students: dict[str, Student], shared: OnceForAll | None) -> None:
        """Make a supernet of each student, and one of those that share their weights."""
        self.supernets = [self.factory.student(name, shape) for name, shape in students.items()]
        self.seeds = [self.data.seed if shape.seed is None else shape.seed for shape in students.values()]
        if shared:
            self.supernets.append(self.factory.once_for_all(shared))
            self.seeds.append(self.data.seed)
        self.factory.encoder = None  # is not kept while they train

    def train(
        self, trackers: dict, checkpoints: Checkpoints, *, compiled: bool, log_every: int
    ) -> dict[str, StudentResult]:
        """Train them, with the teacher on its device."""
        data, accelerator = self.data, self.data.accelerator
        learners = [
            Learner(own.to(accelerator.device), data.settings, data.steps, seed, accelerator, compiled=compiled)
            for own, seed in zip(self.supernets, self.seeds, strict=True)
        ]
        return TrainingLoop(data, learners, self.teacher, trackers, checkpoints, log_every).run()


def train_both(
    first: Phase, second: Phase, trackers: dict, checkpoints: Checkpoints, *, compiled: bool, log_every: int
) -> dict[str, StudentResult]:
    """Train both phases: the students go on with their weights, a new optimizer and a new schedule.

    The two losses may have other meanings, so the first phase has metrics and curves of its own. A round killed in the
    second phase finds the last state of the first one among its checkpoints.
    """
    names = [name for supernet in first.supernets for name in supernet.subnets]
    apart = {name: Prefixed(trackers[name], "first_phase/") for name in names}
    before = first.train(apart, checkpoints.part("students"), compiled=compiled, log_every=log_every)
    for own in second.supernets:
        trained = before[next(iter(own.subnets))].learner.supernet
        own.load_state_dict(trained.state_dict(), strict=False)  # an objective's own layers are new
    told = {name: (result.metrics(), result.curve) for name, result in before.items()}
    del before, trained, first.teacher, first.supernets  # two teachers and optimizers may not fit a device
    second.teacher.to(second.data.accelerator, compiled=compiled)
    results = second.train(trackers, checkpoints.part("then"), compiled=compiled, log_every=log_every)
    for name, result in results.items():
        result.details["first_phase"], result.first_curve = told[name]
    return results


def _teacher(folder: str | Path, records: Records, settings: Distill) -> Teacher:
    """The teacher, which must fit the records and the settings."""
    objective = settings.objective
    layer = "last" if objective == "embedding" else settings.teacher_layer
    teacher = Teacher(
        folder,
        layer,
        states=objective == "tinybert",
        further=settings.beside,
        sentence=objective == "embedding",
        precision=settings.precision,
    )
    config, name = teacher.config, f"the teacher {folder}"
    check_fits(
        records.manifest, positions(config), config.vocab_size, name, segments=getattr(config, "type_vocab_size", 0)
    )
    check_objective(teacher.hooks, settings, folder)
    return teacher
