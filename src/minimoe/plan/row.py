"""The run that is planned, and a row for each of its stages."""

from dataclasses import dataclass
from pathlib import Path

from minimoe.params import Params
from minimoe.plan import constants
from minimoe.plan.models import Models
from minimoe.plan.sizes import CorpusSizes
from minimoe.plan.timing import MEASURED, Rates
from minimoe.system.machine import cores, workers
from minimoe.tasks.task import Sizes


@dataclass(frozen=True)
class Run:
    """All that a plan follows from."""

    params: Params
    root: Path
    done: set[str]  # stages that are up to date
    models: Models
    corpus: CorpusSizes
    tasks: dict[str, tuple[Sizes, str]]  # their sets, and whether they were counted or guessed
    rates: Rates
    device: str  # cpu or cuda
    devices: int  # that share a round's work
    gpus: int = 0  # that cells of the table are spread over

    @property
    def processes(self) -> int:
        """Processes that work side by side on texts."""
        return self.side_by_side(threads=1)

    def side_by_side(self, threads: int) -> int:
        """Processes of so many threads each that work at full speed."""
        wanted = workers(self.params.runtime.workers, threads)
        # speeds that were not measured may be another machine's, which has cores for the processes
        return max(1, min(wanted, cores() // threads)) if self.rates.basis == MEASURED else wanted

    def cells(self, threads: int) -> int:
        """Cells of the table at once, each on so many cores where there is no GPU."""
        return self.gpus * self.params.runtime.cells_per_gpu if self.device == "cuda" else self.side_by_side(threads)

    @property
    def rounds(self) -> int:
        """Rounds that are at work at once, where there is no GPU, when it is the turn of rounds."""
        settings = self.params.runtime
        if self.device == "cuda" or settings.launcher != "python" or not settings.round_threads:
            return 1
        left = sum(f"distill@{name}" not in self.done for name in self.params.rounds)
        return max(1, min(left, workers(0, settings.round_threads)))

    @property
    def idle(self) -> float:
        """All cores over those that are at work then: how much longer rounds take than on all cores, together."""
        if self.device == "cuda" or not self.params.runtime.round_threads:
            return 1.0
        return max(1.0, cores() / (self.rounds * self.params.runtime.round_threads))

    def begin(self) -> float:
        """Seconds of a stage beside its work."""
        return self.rates.start + constants.STAGE

    def left(self, stage: str, models: list[str] | None = None) -> tuple[list[str], bool]:
        """Those models (default: the table's) whose cell, `stage` with {}, is to be made; if none is, all, and True."""
        models = models or self.params.table.models
        left = [model for model in models if stage.format(model) not in self.done]
        return left or models, not left


@dataclass(frozen=True)
class Row:
    """What one stage, or several alike, will take."""

    stage: str
    reads: float = 0  # bytes
    writes: float = 0  # bytes, once; DVC's cache keeps them again
    work: str = ""
    seconds: float = 0
    size: str = ""  # what the amounts rest on: counted, or guessed
    speed: str = ""  # what the time rests on: measured, given, or guessed
    memory: float = 0  # bytes, on the device
    done: bool = False


def number(value: float) -> str:
    """Three digits and a unit: 950, 73.2 k, 6.46 M."""
    for unit, size in {" T": 1e12, " G": 1e9, " M": 1e6}.items():
        if value >= size:
            return f"{value / size:.3g}{unit}"
    return f"{value / 1000:.3g} k" if value >= 1e4 else f"{value:,.0f}"
