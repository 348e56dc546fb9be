"""A row for each stage of the graph: what it reads and writes, what it does, how long it takes."""

from collections.abc import Iterator
from dataclasses import replace

from minimoe.params.sections import Finetune
from minimoe.plan import constants
from minimoe.plan.exports import FLOAT, costs, exports
from minimoe.plan.operations import STEP, Pass, activations
from minimoe.plan.row import Row, Run, number
from minimoe.plan.sizes import COUNTED, GUESSED, Amount
from minimoe.plan.timing import MEASURED, Rates
from minimoe.records.masking import SHARE

STATES = 4  # numbers that training keeps of a weight: itself, its gradient, and two of AdamW's


def rows(run: Run) -> list[Row]:
    """All rows in the order of the graph; cells and costs together."""
    made = [*_texts(run), *_teachers(run), *(_distill(run, name) for name in run.params.rounds)]
    return [*made, _tasks(run), *_finetune(run), costs(run), *exports(run), _report(run)]


def _row(run: Run, stage: str, reads: float, writes: float, work: str, seconds: float, **more) -> Row:
    """The row of one stage, with what DVC takes; without a time where it is up to date."""
    if stage in run.done:
        return Row(stage, reads, writes, work, size=more["size"], done=True)
    return Row(stage, reads, writes, work, seconds + run.begin() + writes / constants.DISK, **more)


def _texts(run: Run) -> Iterator[Row]:
    """download, extract, format, tokenizer, records."""
    corpus, source, rates = run.corpus, run.params.corpus.download, run.rates
    local, trained = source.source == "local" or source.source.startswith("file:"), _pretrains(run)
    formatted = corpus.formatted.value
    learned = "WordPiece, trained" if trained else "the teacher's"

    def row(stage: str, reads: Amount, writes: Amount, work: str, seconds: float, speed: str) -> Row:
        return _row(run, stage, reads.value, writes.value, work, seconds, size=writes.basis, speed=speed)

    fetching = (corpus.dump, "a copy", 0) if local else (Amount(0, COUNTED), "a transfer", constants.NETWORK)
    from_, how, speed = fetching
    yield row("download", from_, corpus.dump, how, corpus.dump.value / speed if speed else 0, GUESSED)
    documents = f"{number(corpus.documents.value)} documents"
    adopted = local and (run.root / source.path).is_dir()  # documents already
    yield row("extract", corpus.dump, corpus.extracted, documents, _extracting(run, adopted), GUESSED)
    seconds = corpus.extracted.value / rates.format / run.processes
    sentences = f"{number(corpus.sentences.value)} sentences"
    yield row("format", corpus.extracted, corpus.formatted, sentences, seconds, MEASURED)
    seconds = formatted / constants.TOKENIZER if trained else 0
    yield row("tokenizer", corpus.formatted, Amount(1e6, GUESSED), learned, seconds, GUESSED)
    seconds = formatted / rates.records / run.processes
    examples = f"{number(corpus.records.value)} examples"
    yield row("records", corpus.formatted, corpus.record_bytes, examples, seconds, MEASURED)


def _extracting(run: Run, adopted: bool) -> float:
    settings, dump = run.params.corpus.extract, run.corpus.dump.value
    if settings.form != "wikipedia" or adopted:
        return run.corpus.extracted.value / constants.PLAIN / run.processes
    return dump / constants.EXTRACT / run.processes + (dump / constants.UNPACK if settings.templates else 0)


def _pretrains(run: Run) -> bool:
    return run.params.teacher.source == "pretrain"


def _teachers(run: Run) -> Iterator[Row]:
    """The teacher, further teachers, and the sparsified one."""
    params, records, rates = run.params, run.corpus.training, run.rates
    size = FLOAT * run.models.weights("models/teacher")
    yield _pretrained(run, size) if _pretrains(run) else _copied(run, "teacher", params.teacher, size)
    for name, teacher in params.teachers.items():
        yield _copied(run, f"teachers@{name}", teacher, FLOAT * run.models.weights(f"models/teachers/{name}"))
    share, masked = params.sparsify.share, {"masked_lm": SHARE, "states": 0}[params.sparsify.criterion]
    for name in params.sparsify.teachers:
        reads, work = run.corpus.record_bytes.value * share + size, f"{number(records.value * share)} records"
        seconds = records.value * share * _masked_lm(run, masked)
        yield _row(run, f"sparsify@{name}", reads, 2 * size, work, seconds, size=records.basis, speed=rates.basis)


def _pretrained(run: Run, size: float) -> Row:
    own, records, config = run.params.teacher.pretrain, run.corpus.training, run.models.config("models/teacher")
    steps = own.epochs * -(-records.value // own.batch)
    work = f"{own.epochs} x {number(records.value)} records, {number(steps)} steps"
    seconds = steps * (run.rates.step + own.batch * _masked_lm(run, own.masked))
    memory = STATES * size + FLOAT * own.batch * activations(config, run.params.corpus.records.max_length)
    basis = {"size": records.basis, "speed": run.rates.basis}
    return _row(run, "teacher", run.corpus.record_bytes.value, size, work, seconds, memory=memory, **basis)


def _masked_lm(run: Run, masked: float) -> float:
    """Seconds for one sequence, of which the share `masked` is predicted, with gradients and without dropout."""
    length, config = run.params.corpus.records.max_length, run.models.config("models/teacher")
    head = 2 * masked * length * config.hidden_size * (config.hidden_size + config.vocab_size)  # at masked tokens
    speed = run.rates.teacher * run.rates.scale("fp32")
    return STEP * (run.models.forward("models/teacher", length) + head) / speed


def _copied(run: Run, stage: str, source, size: float) -> Row:
    hub = source.source == "hub"
    work, seconds = (source.hub, size / constants.NETWORK) if hub else (source.path, 0)
    return _row(run, stage, size, size, work, seconds, size=COUNTED, speed=GUESSED)


def _distill(run: Run, name: str) -> Row:
    round_, records, phases = run.params.rounds[name], run.corpus.training, run.models.phases(name)
    teacher = FLOAT * run.models.weights(round_.teacher)
    seconds = memory = total = 0
    for phase, settings in enumerate(phases):
        steps = settings.epochs * int(records.value // settings.batch)
        total += steps
        measured = settings.heldout * (2 + steps // settings.evaluate_every)
        batch = min(run.params.runtime.micro_batch or settings.batch, -(-settings.batch // run.devices))
        for one in run.models.passes(name, phase):
            trained, tested = _sequence(run.rates, one, settings.precision)
            seconds += steps * settings.batch * trained / run.devices + measured * tested  # every process measures all
            most = max(learner.activations for learner in one.learners)
            memory = max(memory, STATES * sum(learner.weights for learner in one.learners) + batch * most)
    seconds *= run.idle
    reads = run.corpus.record_bytes.value + teacher
    writes = FLOAT * sum(run.models.weights(f"models/{name}/{model}") for model in round_.models)
    epochs = " + ".join(str(settings.epochs) for settings in phases)
    work = f"{epochs} x {number(records.value)} records, {number(total)} steps, models: {len(round_.models)}"
    more = {"size": records.basis, "speed": run.rates.basis, "memory": run.rounds * (teacher + FLOAT * memory)}
    return _row(run, f"distill@{name}", reads, writes, work, seconds, **more)


def _sequence(rates: Rates, one: Pass, precision: str) -> tuple[float, float]:
    """Seconds that a pass of a round takes for one sequence of training, and of measuring the held-out loss."""
    faster = rates.scale(precision)
    steps = sum(own.flops / (rates.experts if own.experts else rates.dense) for own in one.learners) / faster
    steps += rates.learner * sum(own.students for own in one.learners)
    taught = one.teacher / rates.teacher / faster
    return taught + steps, taught + steps / STEP


def _finetune(run: Run) -> list[Row]:
    """All cells of each task that are not up to date; all of them run side by side, the longest first."""
    tasks, taught = run.params.table.tasks, run.params.taught.models
    made = [_finetune_task(run, task, "finetune", run.params.table.models) for task in tasks]
    made += [_finetune_task(run, task, "taught", taught) for task in tasks if taught]
    left = [(row, longest) for row, longest in made if not row.done]
    row, longest = max(left, key=lambda one: one[1], default=(None, 0.0))
    alone = longest - sum(row.seconds for row, _ in left)  # that one cell takes when all others have ended
    return [replace(each, seconds=each.seconds + max(0.0, alone)) if each is row else each for each, _ in made]


def _finetune_task(run: Run, task: str, stage: str, models: list[str]) -> tuple[Row, float]:
    """All cells of a stage on one task, of these models, and the seconds that the longest takes."""
    settings, (sets, size) = run.params.finetuning(task), run.tasks[task]
    models, done = run.left(f"{stage}@{{}}-{task}", models)
    paths = [f"models/{model}" for model in models]
    length = round(min(settings.max_length, sets.tokens * constants.PADDING))
    train = min(sets.train, settings.max_train or sets.train)
    train += run.params.taught.unlabelled if stage == "taught" else 0
    runs, states, epochs = len(settings.learning_rates) * len(settings.seeds), STATES, settings.epochs
    work = f"{len(models)} cells: {runs} x {epochs} x {number(train)} examples at most"
    trained = run.params.task(task).trained
    if not trained:
        runs, states, epochs, work = 1, 1, 1, f"{len(models)} cells: {number(sets.scored)} pairs, nothing is trained"
    cells = [_cell(run, path, settings, runs * epochs, train, sets.scored, length) for path in paths]
    weights = [FLOAT * run.models.weights(path) for path in paths]
    memory = max(
        states * own + FLOAT * settings.batch * activations(run.models.config(path), length)
        for path, own in zip(paths, weights, strict=True)
    )
    memory *= run.params.runtime.cells_per_gpu if run.device == "cuda" else run.cells(settings.threads)
    size_, speed, total = size, run.rates.basis, sum(weights) if trained else 0
    seconds = sum(map(sum, cells)) / run.cells(settings.threads)
    if run.device == "cuda":  # kernels of several cells take turns on a GPU, while the others' hosts start theirs
        seconds = max(seconds, sum(computed for _, computed in cells) / run.gpus)
    seconds += total / constants.DISK
    return Row(f"{stage}@*-{task}", total, total, work, seconds, size_, speed, memory, done), max(map(sum, cells))


def _cell(
    run: Run, path: str, settings: Finetune, epochs: int, train: int, scored: int, length: int
) -> tuple[float, float]:
    """Seconds of so many epochs of one model, in all its runs: of all beside its layers, and of those."""
    rates, steps = run.rates, epochs * -(-train // settings.batch)
    besides = steps * (rates.step + rates.layer * run.models.config(path).num_hidden_layers) + run.begin()
    evaluated = min(10, max(1, train // 5000)) * scored  # in an epoch, as in finetune.loop
    rate = rates.finetune * rates.scale(settings.precision, run.params.finetune.precision)
    return besides, epochs * run.models.forward(path, length) * (STEP * train + evaluated) / rate


def _tasks(run: Run) -> Row:
    params = run.params
    count = sum(sets.train + sets.scored for sets, _ in run.tasks.values())
    size = GUESSED if any(basis == GUESSED for _, basis in run.tasks.values()) else COUNTED
    families = {params.task(task).family for task in params.table.tasks}
    hub = any(source.source == "hub" for family, source in params.task_data if family in families)
    written = constants.EXAMPLE * count
    seconds = written / (constants.NETWORK if hub else constants.PLAIN)
    return _row(run, "tasks", written, written, f"{number(count)} examples", seconds, size=size, speed=GUESSED)


def _report(run: Run) -> Row:
    return _row(run, "report", 0, 5e6, "tables, figures, page", constants.REPORT, size=GUESSED, speed=GUESSED)
