"""params.yaml as a whole: its sections, and what they must agree on."""

from typing import Annotated

from pydantic import Field, model_validator

from minimoe.params.agree import disagreements
from minimoe.params.base import Key, Section, Seed
from minimoe.params.own_tasks import OwnTask
from minimoe.params.rounds import SPARSIFIED, Distill, Round
from minimoe.params.runtime import Runtime
from minimoe.params.sections import (
    Corpus,
    Cost,
    Export,
    Finetune,
    FurtherTeacher,
    OwnFinetune,
    Sparsify,
    Table,
    TaskData,
    Taught,
    TeacherParams,
)
from minimoe.tasks.table import TASKS
from minimoe.tasks.task import Task

TAUGHT = "taught/"  # what names of rows begin with that are taught the task too
RESERVED = {"teacher", "teachers", "sparsified", TAUGHT.rstrip("/")}
ENCODER = "encoder"  # beside the tasks' names, the folder of a row's exported encoder
SCORING = {"max_length", "precision", "threads"}  # keys of finetuning that a task reads on which nothing is trained


class Params(Section):
    """All of params.yaml."""

    seed: Seed
    corpus: Corpus
    teacher: TeacherParams
    teachers: dict[Key, FurtherTeacher]
    sparsify: Sparsify
    distill: Distill
    rounds: Annotated[dict[Key, Round], Field(min_length=1)]
    task_data: TaskData
    own_tasks: dict[Key, OwnTask]
    finetune: Finetune
    tasks: dict[Key, OwnFinetune]
    table: Table
    taught: Taught
    cost: Cost
    export: Export
    runtime: Runtime

    @property
    def rows(self) -> list[str]:
        """All rows of the table: its models, each followed by itself taught the task, if it is."""
        taught = {model: [TAUGHT + model] for model in self.taught.models}
        return [row for model in self.table.models for row in (model, *taught.get(model, []))]

    @property
    def measured(self) -> dict[str, int]:
        """How many held-out records each round measures its students on, by the key that says so."""
        keys = {name: f"rounds.{name}.heldout" for name, round_ in self.rounds.items() if round_.heldout}
        return {keys.get(name, "distill.heldout"): r.over(self.distill).heldout for name, r in self.rounds.items()}

    def finetuning(self, task: str) -> Finetune:
        """The values of `finetune`, and a task's own in place of them."""
        return self.tasks[task].over(self.finetune) if task in self.tasks else self.finetune

    def task(self, name: str) -> Task:
        """A task of the table, or of the user's own."""
        return TASKS[name] if name in TASKS else self.own_tasks[name].row(name)

    @model_validator(mode="after")
    def _sections_agree(self):
        problems = [*self._unknown_models(), *self._unknown_tasks(), *self._unteachable()]
        problems = problems or [*self._unread(), *self._unexportable()]
        # only when every name is known can rounds be followed and widths be compared
        problems = problems or list(disagreements(self))
        if problems:
            raise ValueError("\n".join(problems))
        return self

    def _unread(self):
        for task, own in self.tasks.items():
            if not self.task(task).trained:
                for key in sorted(own.model_fields_set - SCORING):
                    read = ", ".join(sorted(SCORING))
                    yield f"tasks.{task}.{key}: expected one of {read}, as this task trains nothing; remove it"

    def _unteachable(self):
        rows = self.table.models
        students = [row for row in rows if row not in ("teacher", self.taught.teacher) and row[:9] != "teachers/"]
        for model in self.taught.models:
            if model not in students:
                expected = "students of table.models, and not taught.teacher"
                yield f"taught.models: expected {expected}: {', '.join(students)}; got {model!r}"
        if self.taught.models and self.taught.teacher not in rows:
            yield f"taught.teacher: expected one of table.models, {', '.join(rows)}; got {self.taught.teacher!r}"

    def _unexportable(self):
        for key, known in (("models", self.table.models), ("tasks", self.table.tasks)):
            for name in getattr(self.export, key):
                if name not in known:
                    yield f"export.{key}: expected some of table.{key}, {', '.join(known)}; got {name!r}"
                elif key == "tasks" and not self.task(name).trained:
                    yield f"export.tasks: expected tasks that models are finetuned on; got {name!r}, which trains none"
                elif key == "tasks" and name == ENCODER:
                    yield f"export.tasks: expected none of this name, as exported/ROW/{name} is a row's encoder"

    def _unknown_tasks(self):
        known = [*TASKS, *self.own_tasks]
        places = {f"tasks.{name}": name for name in self.tasks}
        places |= {f"table.tasks.{number}": name for number, name in enumerate(self.table.tasks)}
        for place, name in places.items():
            if name not in known:
                yield f"{place}: expected {', '.join(map(repr, known))} or a name in own_tasks, got {name!r}"
        columns = {column for task in TASKS.values() for column in (task.name, *task.results)}
        for name, own in self.own_tasks.items():
            taken = columns & {name, *own.row(name).results}
            if taken:
                yield f"own_tasks.{name}: expected another name; {min(taken)} is another task's"
            columns |= {name, *own.row(name).results}

    def _unknown_models(self):
        known = {"teacher"} | {f"{name}/{model}" for name, round_ in self.rounds.items() for model in round_.models}
        known |= {f"teachers/{name}" for name in self.teachers}
        sparsified = {SPARSIFIED.removeprefix("models/")} if self.sparsify.teachers else set()
        for name, round_ in self.rounds.items():
            if name in RESERVED:
                yield f"rounds.{name}: expected another name; models/{name} is not a round's"
            if round_.teacher.removeprefix("models/") not in known | sparsified:
                hint = "; add teacher to sparsify.teachers" if round_.teacher == SPARSIFIED else ""
                models = ", ".join(sorted(f"models/{k}" for k in known | sparsified))
                yield f"rounds.{name}.teacher: expected one of {models}; got {round_.teacher!r}{hint}"
        taught = {round_.teacher for round_ in self.rounds.values()}
        for name in self.teachers:
            if f"models/teachers/{name}" not in taught:
                yield f"teachers.{name}: expected a round with teacher models/teachers/{name}; add one, or remove it"
        for model in self.table.models:
            if model not in known:
                yield f"table.models: expected one of {', '.join(sorted(known))}; got {model!r}"
