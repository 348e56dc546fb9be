"""A plan as a table with its total and warnings, and as JSON."""

from dataclasses import asdict, dataclass

from tabulate import tabulate

from minimoe.plan.row import Row, Run, number
from minimoe.plan.timing import ESTIMATED, GIVEN, MEASURED, reference
from minimoe.training import speed

DAY = 86400.0
BUSY = 0.5  # running processes for each core
COPIES = 2  # of every output: in its place, and in DVC's cache where the file system cannot clone


@dataclass(frozen=True)
class Machine:
    """What the machine has, in bytes, and how busy it is."""

    disk: float
    memory: float  # of the device
    load: float = 0.0  # running processes for each core, before the trial


def text(run: Run, rows: list[Row], machine: Machine) -> str:
    """The table, its total and its warnings."""
    columns = ["stage", "reads", "writes", "what", "time", "amounts", "speed"]
    lines = []
    for row in rows:
        end = ["done"] if row.done else [duration(row.seconds), row.size, row.speed]
        lines.append([row.stage, _bytes(row.reads), _bytes(row.writes), row.work, *end])
    table = tabulate(lines, columns, disable_numparse=True)
    total = f"Total: {duration(_seconds(rows))}, {_bytes(_disk(rows))} of disk (all outputs, and DVC's cache of them)"
    return "\n".join([table, "", total, _speed(run), *(f"warning: {line}" for line in warnings(run, rows, machine))])


def as_json(run: Run, rows: list[Row], machine: Machine) -> dict:
    """All numbers of a plan, in seconds and bytes."""
    return {
        "rows": [asdict(row) for row in rows],
        "total": {"seconds": _seconds(rows), "disk": _disk(rows)},
        "corpus": {name: known._asdict() for name, known in vars(run.corpus).items()},
        "rates": asdict(run.rates),
        "device": run.device,
        "devices": run.devices,
        "warnings": warnings(run, rows, machine),
    }


def warnings(run: Run, rows: list[Row], machine: Machine) -> list[str]:
    """What the user should know before a start."""
    left, made = [row for row in rows if not row.done], []
    if _seconds(rows) > DAY:
        long = [f"{row.stage} {duration(row.seconds)}" for row in left if row.seconds > DAY]
        made.append(f"more than a day: {', '.join(long) or 'all together'}")
    if _disk(rows) > machine.disk:
        made.append(f"{_bytes(_disk(rows))} of disk will be written, {_bytes(machine.disk)} are free")
    heavy = max(left, key=lambda row: row.memory, default=Row(""))
    if heavy.memory > machine.memory:
        made.append(
            f"{heavy.stage} may need {_bytes(heavy.memory)} of memory, there are {_bytes(machine.memory)}; "
            "lower runtime.micro_batch, or for finetuning runtime.cells_per_gpu or runtime.workers"
        )
    if run.params.runtime.device == "cuda" and run.device == "cpu":
        made.append("runtime.device is cuda, but PyTorch finds no GPU here: times are those of this processor")
    if run.rates.basis == MEASURED:
        chosen = dict.fromkeys(phase.precision for name in run.params.rounds for phase in run.models.phases(name))
        made += filter(None, (speed.warning(precision, run.rates.products) for precision in chosen))
    if machine.load > BUSY and run.rates.basis == MEASURED:
        made.append("this machine is busy, so these times are too long; plan again when it is idle")
    return made


def duration(seconds: float) -> str:
    """Seconds in the unit that suits."""
    for unit, size in {"days": DAY, "hours": 3600, "min": 60}.items():
        value = seconds / size
        if value >= 1.5:
            return f"{value:,.0f} {unit}" if value >= 100 else f"{value:.3g} {unit}"
    return f"{seconds:.0f} s"


def _speed(run: Run) -> str:
    """What the times of training rest on."""
    rates, where = run.rates, f"{run.devices} x {run.device}"
    if rates.basis == GIVEN:
        return f"Speed: as given for round {reference(run.models)}; others follow by their matrix products ({where})"
    products = ", ".join(f"{_tera(rate)} {name}" for name, rate in rates.products.items())
    found = f"teacher {_tera(rates.teacher)}, student {_tera(rates.dense)}, finetuning {_tera(rates.finetune)}"
    how = "estimated, not measured" if rates.basis == ESTIMATED else "in a short trial"
    return f"Speed ({where}, TFLOP/s): large matrix products {products}; {how}: {found}"


def _tera(rate: float) -> str:
    return f"{rate / 1e12:.2g}"


def _seconds(rows: list[Row]) -> float:
    return sum(row.seconds for row in rows if not row.done)


def _disk(rows: list[Row]) -> float:
    return COPIES * sum(row.writes for row in rows if not row.done)


def _bytes(value: float) -> str:
    """20.6 GB, 950 B."""
    return f"{number(value)}B" if value >= 1e4 else f"{number(value)} B"
