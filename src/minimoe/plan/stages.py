"""The rows of the stages from the dump to the sparsified teacher, of the tasks, the costs and the report."""

from minimoe.plan import constants, flops
from minimoe.plan.corpus import COUNTED, GUESSED, Known
from minimoe.plan.rates import MEASURED
from minimoe.plan.row import Row, Run, number
from minimoe.tasks.table import TASKS

FLOAT = 4  # bytes of a weight
STATES = 4  # numbers that training keeps of a weight: itself, its gradient, and two of AdamW's


def texts(run: Run) -> list[Row]:
    """download, extract, format, tokenizer, records."""
    corpus, params, rates = run.corpus, run.params, run.rates
    fetched, trained = params.corpus.download.source, params.teacher.source == "pretrain"
    local = fetched == "local" or fetched.startswith("file:")
    dump, extracted, formatted = (known.value for known in (corpus.dump, corpus.extracted, corpus.formatted))
    adopted = local and (run.root / params.corpus.download.path).is_dir()  # documents already
    if params.corpus.extract.form == "wikipedia" and not adopted:
        templates = dump / constants.UNPACK if params.corpus.extract.templates else 0
        extract = dump / constants.EXTRACT / run.processes + templates
    else:
        extract = extracted / constants.PLAIN / run.processes
    seconds = {  # and what they rest on
        "download": (0 if local else dump / constants.NETWORK, GUESSED),
        "extract": (extract, GUESSED),
        "format": (extracted / rates.format / run.processes, MEASURED),
        "tokenizer": (formatted / constants.TOKENIZER if trained else 0, GUESSED),
        "records": (formatted / rates.records / run.processes, MEASURED),
    }
    made = {  # what is read, written and done
        "download": (Known(0, COUNTED) if not local else corpus.dump, corpus.dump, "a copy" if local else "a transfer"),
        "extract": (corpus.dump, corpus.extracted, f"{number(corpus.documents.value)} documents"),
        "format": (corpus.extracted, corpus.formatted, f"{number(corpus.sentences.value)} sentences"),
        "tokenizer": (corpus.formatted, Known(1e6, GUESSED), "WordPiece, trained" if trained else "the teacher's"),
        "records": (corpus.formatted, corpus.record_bytes, f"{number(corpus.records.value)} examples"),
    }
    return [
        row(run, stage, reads.value, writes.value, work, seconds[stage][0], writes.basis, seconds[stage][1])
        for stage, (reads, writes, work) in made.items()
    ]


def teachers(run: Run) -> list[Row]:
    """The teacher, further teachers, and the sparsified one."""
    params, config = run.params, run.shapes.of("models/teacher")
    size = FLOAT * flops.parameters(config)
    made = [_pretrained(run, config, size) if params.teacher.source == "pretrain" else
            _copied(run, "teacher", params.teacher, size)]  # fmt: skip
    for name, further in params.teachers.items():
        weights = flops.parameters(run.shapes.of(f"models/teachers/{name}"))
        made.append(_copied(run, f"teachers@{name}", further, FLOAT * weights))
    records, share = run.corpus.training, params.sparsify.share
    for name in params.sparsify.teachers:
        reads, work = run.corpus.record_bytes.value * share + size, f"{number(records.value * share)} records"
        seconds = records.value * share * _masked_lm(run, config)
        made.append(row(run, f"sparsify@{name}", reads, 2 * size, work, seconds, records.basis, run.rates.basis))
    return made


def tables(run: Run) -> list[Row]:
    """tasks, cost and report."""
    params = run.params
    count = sum(sets.train + sets.scored for sets, _ in run.tasks.values())
    size = GUESSED if any(basis == GUESSED for _, basis in run.tasks.values()) else COUNTED
    families = {TASKS[task].family for task in params.table.tasks}
    hub = any(dict(params.task_data)[family].source == "hub" for family in families)
    written = constants.EXAMPLE * count
    seconds = written / (constants.NETWORK if hub else constants.PLAIN)
    tasks = row(run, "tasks", written, written, f"{number(count)} examples", seconds, size, GUESSED)
    report = row(run, "report", 0, 5e6, "tables, figures, page", constants.REPORT, GUESSED, GUESSED)
    return [tasks, _costs(run), report]


def _costs(run: Run) -> Row:
    settings, (models, done) = run.params.cost, run.left("cost@{}")
    configs = [run.shapes.of(f"models/{model}") for model in models]
    passes = (3 + settings.repeats) * sum(settings.batches)  # 3 are not counted, as in report.cost
    computed = passes * sum(flops.encoder(config, settings.length) for config in configs)
    seconds = computed / (run.rates.teacher * run.rates.scale("fp32")) + len(models) * run.begin()
    reads = FLOAT * sum(map(flops.parameters, configs))
    return Row("cost", reads, 0, f"{len(models)} models", seconds, COUNTED, run.rates.basis, done=done)


def row(
    run: Run,
    stage: str,
    reads: float,
    writes: float,
    work: str,
    seconds: float,
    size: str,
    speed: str,
    memory: float = 0,
) -> Row:
    """The row of one stage, with what DVC takes; without a time where it is up to date."""
    if stage in run.done:
        return Row(stage, reads, writes, work, size=size, done=True)
    return Row(stage, reads, writes, work, seconds + run.begin() + writes / constants.DISK, size, speed, memory)


def training_memory(config, batch: int, length: int) -> float:
    """Bytes of training a model on so many sequences at once."""
    return FLOAT * (STATES * flops.parameters(config) + batch * flops.activations(config, length))


def _pretrained(run: Run, config, size: float) -> Row:
    own, records, length = run.params.teacher.pretrain, run.corpus.training, run.params.corpus.records.max_length
    steps = own.epochs * -(-records.value // own.batch)
    work = f"{own.epochs} x {number(records.value)} records, {number(steps)} steps"
    seconds = steps * (run.rates.step + own.batch * _masked_lm(run, config))
    reads, memory = run.corpus.record_bytes.value, training_memory(config, own.batch, length)
    return row(run, "teacher", reads, size, work, seconds, records.basis, run.rates.basis, memory)


def _copied(run: Run, stage: str, source, size: float) -> Row:
    hub = source.source == "hub"
    work, seconds = (source.hub, size / constants.NETWORK) if hub else (source.path, 0)
    return row(run, stage, size, size, work, seconds, COUNTED, GUESSED)


def _masked_lm(run: Run, config) -> float:
    """Seconds of masked language modeling for one sequence, its loss and gradients, without dropout."""
    length, width = run.params.corpus.records.max_length, config.hidden_size
    head = 2 * 0.15 * length * width * (width + config.vocab_size)  # at masked tokens, 15 %
    speed = run.rates.teacher * run.rates.scale("fp32")
    return flops.BACKWARD * (flops.encoder(config, length) + head) / speed
