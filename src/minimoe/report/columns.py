"""The columns of the results table: which scores a task gives, and their names."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from minimoe.tasks.table import CONLL, SCORE, TASKS
from minimoe.tasks.task import Task


@dataclass(frozen=True)
class Column:
    """One score of one task."""

    key: str  # as in metrics/finetune
    task: str
    label: str
    short: str  # for narrow tables
    group: str  # SCORE: one of the eight that make the GLUE score
    trained: bool = True  # whether models are finetuned before it is measured

    @property
    def name(self) -> str:
        """The label where no group stands above it."""
        return f"{self.group} {self.label}" if self.group == CONLL else self.label


def columns_of(tasks: Iterable[str], own: Mapping[str, Task] = MappingProxyType({})) -> list[Column]:
    """The columns that these tasks give, in the order of the tasks' table; then those of the user's own."""
    wanted = set(tasks)
    return [
        Column(
            task.name + split.suffix, task.name, split.label or task.label, split.short or task.name, task.group,
            task.trained,
        )
        for task in (*TASKS.values(), *own.values())
        if task.name in wanted
        for split in task.splits
        if split.suffix is not None
    ]  # fmt: skip


GLUE = tuple(column.key for column in columns_of(TASKS) if column.group == SCORE)
