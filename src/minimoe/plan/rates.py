"""How fast this machine is: from a short trial, or from what the user says.

The trial is of the first round that trains: its widths, length, precision and relation heads. A teacher's pass is timed
alone; steps with few and with more layers give the FLOP/s of a dense student and of one with experts, and what a
learner takes besides; so do two of finetuning. Rounds of another precision are scaled by the rate of a large matrix
product.
"""

from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from minimoe.params.rounds import Distill
from minimoe.params.sections import Finetune
from minimoe.plan import constants, flops, made_text, trial
from minimoe.plan.passes import passes
from minimoe.plan.shapes import Shapes
from minimoe.system.memory import keep_freed_memory

MEASURED, GIVEN = "measured", "given"
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
    finetune: float  # FLOP/s of a finetuning step in one process, fp32
    step: float  # seconds of a finetuning step beside the model's layers
    start: float  # seconds until a stage begins its work
    format: float  # bytes a second
    records: float  # bytes a second

    def scale(self, precision: str) -> float:
        """Speed at `precision` over that at the precision of the trial."""
        return self.products.get(precision, 1.0) / self.products.get(self.precision, 1.0)


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


def reference(shapes: Shapes) -> str:
    """The first round that trains."""
    rounds = list(shapes.params.rounds)
    return next((name for name in rounds if shapes.settings(name).epochs), rounds[0])


def rates(shapes: Shapes, device: str, start: float, given: float | None = None) -> Rates:
    """Speeds on `device`, cpu or cuda.

    `start` is the seconds until a stage begins its work. `given` is how many sequences a second the teacher and all
    students of the `reference` round do on one device; with None that is measured.
    """
    corpus, name = shapes.params.corpus, reference(shapes)
    settings = shapes.settings(name)
    with TemporaryDirectory() as folder:
        speeds = made_text.process(Path(folder), corpus.language, corpus.format.splitter, corpus.records.max_length)
        texts = {"start": start, "format": speeds[0], "records": speeds[1]}
        if given:
            taught, learned = passes(shapes, name)[-1].flops(corpus.records.max_length, settings)
            rate = given * (taught + sum(learned))
            models = dict.fromkeys(("teacher", "dense", "experts", "finetune"), rate)
            return Rates(GIVEN, {}, settings.precision, **models, learner=0.0, step=constants.STEP, **texts)
        used = {"fp32", *(shapes.settings(other).precision for other in shapes.params.rounds)}
        products = {precision: trial.product(precision, device) for precision in sorted(used)}
        models = _finetuning(shapes.params.finetune, shapes, name, products["fp32"], device)
        keep_freed_memory()  # as the stages do that distil, and not that which finetunes
        models |= _distilling(Path(folder), shapes, name, products, device)
        return Rates(MEASURED, products, settings.precision, **models, **texts)


def _distilling(work: Path, shapes: Shapes, name: str, products: dict[str, float], device: str) -> dict[str, float]:
    """FLOP/s of teachers and learners like those of the round `name`, and a learner's further seconds."""
    like, teacher = typical(shapes, name), shapes.of(shapes.params.rounds[name].teacher)
    length, most = shapes.params.corpus.records.max_length, shapes.params.runtime.micro_batch
    shallow, deep = (trial.shrunk(teacher, layers) for layers in (1, 3))
    settings = trial.few_steps(shapes.settings(name), shallow.hidden_size, like.hidden_size)

    above = flops.teacher(deep, length, settings)
    alone = _sized(settings, most, above, products["fp32"])
    taught = above * alone.batch / trial.teaching(work, deep, alone, device)
    steps = _sized(settings, most, flops.learner(trial.shrunk(like, MANY), shallow, length, settings), products["fp32"])

    def step(*shape: int) -> Tried:
        student = trial.shrunk(like, *shape)
        seconds = trial.distilling(work, shallow, student, steps, device) / steps.batch
        seconds -= flops.teacher(shallow, length, settings) / taught
        return Tried(flops.learner(student, shallow, length, settings), seconds)

    few, experts, peak = step(1), _most_experts(shapes), products[settings.precision]
    dense = few.rate(step(MANY), peak)
    routed = step(1, experts).rate(step(MANY, experts), peak) if experts > 1 else dense
    return {"teacher": taught, "dense": dense, "experts": routed, "learner": few.besides(dense)}


def _sized(settings: Distill, micro_batch: int, sequence: int, speed: float) -> Distill:
    """With a batch that takes about `STEP_SECONDS`, at so many FLOPs a `sequence` and a quarter of `speed`."""
    most = min(micro_batch or settings.batch, settings.batch, LARGEST)
    batch = round(STEP_SECONDS * speed / 4 / sequence)
    return settings.model_copy(update={"batch": max(min(2, most), min(batch, most))})


def _finetuning(settings: Finetune, shapes: Shapes, name: str, peak: float, device: str) -> dict[str, float]:
    """FLOP/s of a finetuning step in one of the processes side by side, and its further seconds."""
    like, length = typical(shapes, name), min(FINETUNE_LENGTH, settings.max_length)

    def step(layers: int) -> Tried:
        model = trial.shrunk(like, layers)
        did = flops.BACKWARD * flops.encoder(model, length) * settings.batch
        return Tried(did, trial.finetuning(model, length, settings, device))

    few, more = step(1), step(MANY)
    rate = few.rate(more, peak)
    return {"finetune": rate, "step": few.besides(rate)}


def typical(shapes: Shapes, name: str):
    """The config of a round's student of median work; any with its own weights before once-for-all ones."""
    configs = list((shapes.students(name) or shapes.members(name)).values())
    return sorted(configs, key=lambda config: flops.encoder(config, 1))[len(configs) // 2]


def _most_experts(shapes: Shapes) -> int:
    """Experts of a feed-forward of the students in this run, at most."""
    configs = [config for name in shapes.params.rounds for config in shapes.students(name).values()]
    return max((layer.ffn_experts for config in configs for layer in flops.layers(config)), default=1)
