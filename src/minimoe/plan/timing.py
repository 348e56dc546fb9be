"""How fast this machine is: from a short trial, or from what the user says.

The trial (`trial`) has the widths, length, precision and relation heads of the first round that trains. A teacher's
forward pass is timed alone; steps with few and with more layers give the FLOP/s of a dense student and of one with
experts, and what a learner takes besides its layers (relations, optimizer); so do two of finetuning. Rounds of another
precision are scaled by the rate of a large matrix product.
"""

from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from minimoe.distill.start import StudentFactory
from minimoe.params.rounds import Distill, Student
from minimoe.params.sections import Finetune
from minimoe.plan import constants, trial
from minimoe.plan.models import Models
from minimoe.plan.operations import STEP, Pass, count_pass, students, teacher_hooks
from minimoe.report import flops
from minimoe.system.memory import keep_freed_memory
from minimoe.training.speed import product_rate

MEASURED, GIVEN, ESTIMATED = "measured", "given", "estimated"
STEP_SECONDS = 0.15  # that a step of the trial should take
MANY = 4  # layers of the trial's deeper student; the other has one
LARGEST = 256  # sequences of a step; the made text has more
FINETUNE_LENGTH = 64  # tokens of a sequence in the trial of finetuning


@dataclass(frozen=True)
class Rates:
    """Speeds of one device, and of one process of corpus work."""

    basis: str
    products: dict[str, float]  # FLOP/s of a large matrix product, by precision
    precision: str  # of `teacher`, `dense`, `experts`
    teacher: float  # FLOP/s of a forward pass
    dense: float  # FLOP/s of a student's step
    experts: float  # FLOP/s of a step of a student with experts
    learner: float  # seconds that a learner takes for a sequence beside its layers
    finetune: float  # FLOP/s of a finetuning step in one process, at the precision of `params.finetune`
    step: float  # seconds of a finetuning step beside the model's layers
    start: float  # seconds until a stage begins its work
    format: float  # bytes a second
    records: float  # bytes a second
    layer: float = 0.0  # seconds of the host to start a layer's kernels in a finetuning step, where not in `step`

    def scale(self, precision: str, over: str = "") -> float:
        """Speed at `precision` over that at another, by default the one of the trial."""
        return self.products.get(precision, 1.0) / self.products.get(over or self.precision, 1.0)


class Tried(NamedTuple):
    """What a step did, and the seconds it took."""

    flops: float
    seconds: float

    def rate(self, more: "Tried", limit: float) -> float:
        """FLOP/s of what a step with `more` to do did more, at most `limit`."""
        did = more.flops - self.flops
        return did / max(more.seconds - self.seconds, did / limit)

    def besides(self, rate: float) -> float:
        """Seconds that do not depend on the layers, which do `rate` FLOP/s."""
        return max(0.0, self.seconds - self.flops / rate)


def reference(models: Models) -> str:
    """The first round that trains."""
    rounds = list(models.params.rounds)
    return next((name for name in rounds if models.phases(name)[0].epochs), rounds[0])


def measure(
    models: Models, device: str, start: float, given: float | None = None, gpu: constants.Gpu | None = None
) -> Rates:
    """Speeds on `device`, cpu or cuda.

    `start` is the seconds until a stage begins its work. `given` is how many sequences a second the teacher and all
    students of the `reference` round do on one device. With a `gpu` speeds are shares of its peak. With neither of the
    two they are measured.
    """
    params, name = models.params, reference(models)
    settings, length = models.phases(name)[0], params.corpus.records.max_length
    with TemporaryDirectory() as folder:
        speeds = trial.texts(Path(folder), params.corpus.language, params.corpus.format.splitter, length)
        texts = {"start": start, "format": speeds[0], "records": speeds[1]}
        if given:
            one = models.passes(name)[-1]
            rate = given * (one.teacher + sum(learner.flops for learner in one.learners))
            computing = dict.fromkeys(("teacher", "dense", "experts", "finetune"), rate)
            return Rates(GIVEN, {}, settings.precision, **computing, learner=0.0, step=constants.STEP, **texts)
        if gpu:
            return Rates(ESTIMATED, **_estimated(gpu), **texts)
        used = {"fp32", "bf16", *(phase.precision for other in params.rounds for phase in models.phases(other))}
        products = {precision: product_rate(precision, device) for precision in sorted(used)}
        computing = _finetuning(params.finetune, typical(models, name), products[params.finetune.precision], device)
        keep_freed_memory()  # as the stages do that distill, and not the one that finetunes
        computing |= _distilling(Path(folder), models, name, products, device)
        return Rates(MEASURED, products, settings.precision, **computing, **texts)


def _estimated(gpu: constants.Gpu) -> dict:
    """Speeds of a GPU by `constants`."""
    return {
        "products": {"fp32": gpu.fp32, "bf16": gpu.bf16, "fp16": gpu.bf16},
        "precision": "bf16",
        "teacher": constants.TEACHER_SHARE * gpu.bf16,
        "dense": constants.STUDENT_SHARE * gpu.bf16,
        "experts": constants.EXPERTS_SHARE * gpu.bf16,
        "learner": constants.LEARNER,
        "finetune": constants.FINETUNE_SHARE * gpu.bf16,
        "step": constants.FINETUNE_STEP,
        "layer": constants.FINETUNE_LAYER,
    }


def _distilling(work: Path, models: Models, name: str, products: dict[str, float], device: str) -> dict[str, float]:
    """FLOP/s of teachers and learners like those of the round `name`, and a learner's further seconds."""
    like, teacher = typical(models, name), models.config(models.params.rounds[name].teacher)
    length, most = models.params.corpus.records.max_length, models.params.runtime.micro_batch
    shallow, deep = (trial.bert(teacher, layers) for layers in (1, 3))
    settings = trial.few_steps(models.phases(name)[0], shallow.hidden_size, trial.student(like, 1).hidden)

    def counted(teacher, *shapes: Student) -> Pass:
        made = students(StudentFactory(teacher, settings, seed=0), {str(n): shape for n, shape in enumerate(shapes)})
        return count_pass(teacher_hooks(teacher, settings), made, settings, length)

    above = counted(deep).teacher
    alone = _sized(settings, most, above, products["fp32"])
    taught = above * alone.batch / trial.teaching(work, deep, alone, device)
    sequence = counted(shallow, trial.student(like, MANY)).learners[0].flops
    steps = _sized(settings, most, sequence, products["fp32"])

    def step(*size: int) -> Tried:
        shape = trial.student(like, *size)
        one = counted(shallow, shape)
        seconds = trial.distilling(work, shallow, shape, steps, device) / steps.batch
        return Tried(one.learners[0].flops, seconds - one.teacher / taught)

    few, peak = step(1), products[settings.precision]
    dense = few.rate(step(MANY), peak)
    every = [student for round_ in models.params.rounds.values() for student in round_.students.values()]
    experts = max((own.experts.ffn // own.experts.active for own in every), default=1)  # of a dense layer's neurons
    routed = step(1, experts).rate(step(MANY, experts), peak) if experts > 1 else dense
    return {"teacher": taught, "dense": dense, "experts": routed, "learner": few.besides(dense)}


def _sized(settings: Distill, micro_batch: int, sequence: int, speed: float) -> Distill:
    """With a batch that takes about `STEP_SECONDS`, at so many FLOPs a `sequence` and a quarter of `speed`."""
    most = min(micro_batch or settings.batch, settings.batch, LARGEST)
    batch = round(STEP_SECONDS * speed / 4 / sequence)
    return settings.model_copy(update={"batch": max(min(2, most), min(batch, most))})


def _finetuning(settings: Finetune, like, peak: float, device: str) -> dict[str, float]:
    """FLOP/s of a finetuning step in one of the processes side by side, and its further seconds."""
    length = min(FINETUNE_LENGTH, settings.max_length)

    def step(layers: int) -> Tried:
        model = trial.bert(like, layers)
        did = STEP * sum(flops.forward(flops.encoder(model), length)) * settings.batch
        return Tried(did, trial.finetuning(model, length, settings, device))

    few, more = step(1), step(MANY)
    rate = few.rate(more, peak)
    return {"finetune": rate, "step": few.besides(rate)}


def typical(models: Models, name: str):
    """The config of a round's student of median work; one with its own weights rather than a once-for-all one."""
    round_ = models.params.rounds[name]
    paths = [f"models/{name}/{student}" for student in round_.students or round_.once_for_all.students]
    return models.config(sorted(paths, key=lambda path: models.forward(path, 1))[len(paths) // 2])
