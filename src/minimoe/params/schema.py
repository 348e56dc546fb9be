"""params.yaml as a whole: its sections, and what they must agree on."""

from typing import Annotated

from pydantic import Field, model_validator

from minimoe.params.base import Name, Section
from minimoe.params.rounds import SPARSIFIED, Distill, Round
from minimoe.params.sections import (
    Corpus,
    Cost,
    Finetune,
    FurtherTeacher,
    Runtime,
    Sparsify,
    Table,
    Task,
    TaskData,
    TaskName,
    Teacher,
)

RESERVED = {"teacher", "teachers", "sparsified"}


class Params(Section):
    """All of params.yaml."""

    seed: Annotated[int, Field(ge=0, lt=2**32)]
    corpus: Corpus
    teacher: Teacher
    teachers: dict[Name, FurtherTeacher]
    sparsify: Sparsify
    distill: Distill
    rounds: Annotated[dict[Name, Round], Field(min_length=1)]
    task_data: TaskData
    finetune: Finetune
    tasks: dict[TaskName, Task]
    table: Table
    cost: Cost
    runtime: Runtime

    @model_validator(mode="after")
    def _sections_agree(self):
        problems = [*self._unknown_models(), *self._missing_tasks()]
        # only when every name is known can rounds be followed and widths be compared
        problems = problems or [*self._circles(), *self._uneven_relations()]
        if problems:
            raise ValueError("\n".join(problems))
        return self

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

    def _missing_tasks(self):
        for task in self.table.tasks:
            if task not in self.tasks:
                yield f"tasks.{task}: missing, although table.tasks lists it; add '{task}: {{}}'"

    def _circles(self):
        """Rounds that need, through their teachers, a student of their own."""
        for name in self.rounds:
            seen, teacher = [name], self.rounds[name].teacher
            while (before := teacher.split("/")[1]) in self.rounds and before not in seen:
                seen.append(before)
                teacher = self.rounds[before].teacher
            if before == name:
                own = self.rounds[name].teacher
                yield f"rounds.{name}.teacher: expected a model made before this round, got {own!r}"

    def _width(self, teacher: str) -> int | None:
        """A teacher's width, where params tell it."""
        _, name, *student = teacher.split("/")
        if name == "teachers":
            return None
        if name in self.rounds:
            shape = self.rounds[name].students.get(student[0])
            once_for_all = self.rounds[name].once_for_all
            if shape and shape.hidden:
                return shape.hidden
            if once_for_all and student[0] in once_for_all.students:
                return once_for_all.students[student[0]][1]
        return self.teacher.pretrain.hidden if self.teacher.source == "pretrain" else None

    def _uneven_relations(self):
        for name, round_ in self.rounds.items():
            settings = round_.over(self.distill)
            if settings.objective != "minilm":
                continue
            heads = settings.relation_heads
            width = self._width(round_.teacher)
            if width and width % heads:
                yield (
                    f"rounds.{name}.teacher: expected a width that is a multiple of relation_heads {heads}, "
                    f"got {round_.teacher!r}, {width} wide"
                )
            for student, shape in round_.students.items():
                if (shape.hidden or 0) % heads:
                    yield (
                        f"rounds.{name}.students.{student}.hidden: expected a multiple of "
                        f"relation_heads {heads}, got {shape.hidden}"
                    )
