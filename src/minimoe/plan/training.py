"""The rows of the rounds and of the table's cells."""

from minimoe.params.sections import Finetune
from minimoe.plan import constants, flops
from minimoe.plan.passes import Pass, passes
from minimoe.plan.row import Row, Run, number
from minimoe.plan.stages import FLOAT, STATES, row, training_memory


def seconds(run: Run, name: str, one: Pass) -> tuple[float, float]:
    """Seconds that a pass of a round takes for one sequence of training, and of measuring the held-out loss."""
    settings, rates = run.shapes.settings(name), run.rates
    taught, learned = one.flops(run.params.corpus.records.max_length, settings)
    faster = rates.scale(settings.precision)
    speeds = [rates.experts if flops.has_experts(learner.config) else rates.dense for learner in one.learners]
    steps = sum(did / speed for did, speed in zip(learned, speeds, strict=True)) / faster
    steps += len(speeds) * rates.learner
    return taught / rates.teacher / faster + steps, taught / rates.teacher / faster + steps / flops.BACKWARD


def distill(run: Run, name: str) -> Row:
    """One round."""
    settings, shapes = run.shapes.settings(name), run.shapes
    teacher = shapes.of(run.params.rounds[name].teacher)
    count = run.corpus.training.value
    steps = settings.epochs * int(count // settings.batch)
    measured = settings.heldout * (2 + steps // settings.evaluate_every)
    took = 0.0
    for one in passes(shapes, name):
        trained, tested = seconds(run, name, one)
        took += steps * settings.batch * trained / run.devices + measured * tested  # every process measures all
    models = [shapes.of(f"models/{name}/{model}") for model in run.params.rounds[name].models]
    reads = run.corpus.record_bytes.value + FLOAT * flops.parameters(teacher)
    writes = FLOAT * sum(map(flops.parameters, models))
    work = f"{settings.epochs} x {number(count)} records, {number(steps)} steps, models: {len(models)}"
    basis = run.corpus.training.basis, run.rates.basis
    return row(run, f"distill@{name}", reads, writes, work, took, *basis, _memory(run, name, teacher))


def _memory(run: Run, name: str, teacher) -> float:
    """Bytes on a device: the teacher, all that learns with its optimizer, and the largest's activations."""
    settings, length = run.shapes.settings(name), run.params.corpus.records.max_length
    batch = min(run.params.runtime.micro_batch or settings.batch, -(-settings.batch // run.devices))
    most = 0.0
    for one in passes(run.shapes, name):
        active = max(flops.activations(learner.config, length) for learner in one.learners)
        most = max(most, STATES * one.parameters() + batch * active)
    return FLOAT * (flops.parameters(teacher) + most)


def finetune(run: Run, task: str) -> Row:
    """All cells of one task that are not up to date."""
    settings, (sets, size) = run.params.tasks[task].over(run.params.finetune), run.tasks[task]
    models, done = run.left(f"finetune@{{}}-{task}")
    configs = [run.shapes.of(f"models/{model}") for model in models]
    length = round(min(settings.max_length, sets.tokens * constants.PADDING))
    train = min(sets.train, settings.max_train or sets.train)
    runs = len(settings.learning_rates) * len(settings.seeds)
    took = _cells(run, configs, settings, runs * settings.epochs, train, sets.scored, length)
    weights = FLOAT * sum(map(flops.parameters, configs))
    memory = max(training_memory(config, settings.batch, length) for config in configs)
    memory *= run.side_by_side(settings.threads)
    work = f"{len(models)} cells: {runs} x {settings.epochs} x {number(train)} examples at most"
    took += weights / constants.DISK
    return Row(f"finetune@*-{task}", weights, weights, work, took, size, run.rates.basis, memory, done)


def _cells(run: Run, configs: list, settings: Finetune, epochs: int, train: int, scored: int, length: int) -> float:
    """Seconds to finetune models side by side, each for so many epochs in all its runs."""
    evaluated = min(10, max(1, train // 5000)) * scored  # in an epoch, as in finetune.loop
    forward = epochs * sum(flops.encoder(config, length) for config in configs)
    computed = forward * (flops.BACKWARD * train + evaluated) / run.rates.finetune
    besides = len(configs) * (epochs * -(-train // settings.batch) * run.rates.step + run.begin())
    processes = run.side_by_side(settings.threads)
    # they share a GPU, and have cores of their own
    return besides / processes + computed / (processes if run.device == "cpu" else 1)
