"""The rows of the teachers: made here or copied, and sparsified."""

from collections.abc import Iterator

from minimoe.plan import constants
from minimoe.plan.exports import FLOAT
from minimoe.plan.operations import STEP, activations
from minimoe.plan.row import STATES, Row, Run, number, stage_row
from minimoe.plan.sizes import COUNTED, GUESSED
from minimoe.records.masking import SHARE


def pretrains(run: Run) -> bool:
    """Whether the teacher is made here."""
    return run.params.teacher.source == "pretrain"


def teachers(run: Run) -> Iterator[Row]:
    """The teacher, further teachers, and the sparsified one."""
    params, records, rates = run.params, run.corpus.training, run.rates
    size = FLOAT * run.models.weights("models/teacher")
    yield _pretrained(run, size) if pretrains(run) else _copied(run, "teacher", params.teacher, size)
    for name, teacher in params.teachers.items():
        yield _copied(run, f"teachers@{name}", teacher, FLOAT * run.models.weights(f"models/teachers/{name}"))
    own = params.sparsify
    head = own.head_steps * own.batch if _headless(run) else 0
    for name in own.teachers:
        read = records.value * own.share
        reads, work = run.corpus.record_bytes.value * own.share + size, f"{number(read)} records"
        seconds = (read + head) * _masked_lm(run)
        yield stage_row(run, f"sparsify@{name}", reads, 2 * size, work, seconds, size=records.basis, speed=rates.basis)


def _headless(run: Run) -> bool:
    """Whether the teacher was saved without a masked language modeling head, as its config says."""
    return any(name.endswith("Model") for name in run.models.config("models/teacher").architectures or ())


def _pretrained(run: Run, size: float) -> Row:
    own, records, config = run.params.teacher.pretrain, run.corpus.training, run.models.config("models/teacher")
    steps = own.epochs * -(-records.value // own.batch)
    work = f"{own.epochs} x {number(records.value)} records, {number(steps)} steps"
    seconds = steps * (run.rates.step + own.batch * _masked_lm(run, own.masked))
    memory = STATES * size + FLOAT * own.batch * activations(config, run.params.corpus.records.max_length)
    basis = {"size": records.basis, "speed": run.rates.basis}
    return stage_row(run, "teacher", run.corpus.record_bytes.value, size, work, seconds, memory=memory, **basis)


def _masked_lm(run: Run, masked: float = SHARE) -> float:
    """Seconds of masked language modeling for one sequence, its loss and gradients, without dropout."""
    length, config = run.params.corpus.records.max_length, run.models.config("models/teacher")
    head = 2 * masked * length * config.hidden_size * (config.hidden_size + config.vocab_size)  # at masked tokens
    speed = run.rates.teacher * run.rates.scale("fp32")
    return STEP * (run.models.forward("models/teacher", length) + head) / speed


def _copied(run: Run, stage: str, source, size: float) -> Row:
    hub = source.source == "hub"
    work, seconds = (source.hub, size / constants.NETWORK) if hub else (source.path, 0)
    return stage_row(run, stage, size, size, work, seconds, size=COUNTED, speed=GUESSED)
