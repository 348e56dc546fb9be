"""What params.yaml may hold: one class per section, its fields in the order a reader meets them.

Meanings and units stand beside the values in params.yaml; here stand types and limits.
"""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from minimoe.params.base import Count, Entries, Name, Positive, Rate, Section, Share, overrides_of
from minimoe.params.rounds import Distill, Round

ModelPath = Annotated[str, Field(pattern=r"^(teacher|[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*)$")]
TaskName = Literal["cola", "sst2", "mrpc", "stsb", "qqp", "mnli", "qnli", "rte", "wnli", "conll2003"]


class Download(Section):
    """Where the dump comes from."""

    source: Annotated[str, Field(pattern=r"^(local|wikipedia|(https?|file)://.+)$")]
    path: str
    wiki: Annotated[str, Field(pattern=r"^[a-z_]+wiki$")]
    date: Annotated[str, Field(pattern=r"^(latest|\d{8})$")]


class Extract(Section):
    """What wikiextractor does with the dump."""

    templates: bool


class Format(Section):
    """How documents become sentences."""

    splitter: Literal["sentencex", "published"]
    min_length: Count


class RecordsParams(Section):
    """How sentences become training examples."""

    max_length: Annotated[int, Field(ge=8, le=65535)]
    short_probability: Share
    shard_records: Positive


class Corpus(Section):
    """From the dump to the records."""

    language: Annotated[str, Field(pattern=r"^[a-z]{2,3}$")]
    download: Download
    extract: Extract
    format: Format
    records: RecordsParams


class Tokenizer(Section):
    """The tokenizer trained here when the teacher is pretrained here."""

    vocabulary: Annotated[int, Field(ge=64, le=65536)]
    lowercase: bool


class Pretrain(Section):
    """The teacher pretrained here by masked language modeling."""

    layers: Positive
    hidden: Positive
    heads: Positive
    neurons: Positive
    epochs: Positive
    batch: Positive
    learning_rate: Rate

    @model_validator(mode="after")
    def _heads_divide_hidden(self):
        if self.hidden % self.heads:
            raise ValueError(f"hidden: expected a multiple of heads {self.heads}, got {self.hidden}")
        return self


class Teacher(Section):
    """Where the teacher and its tokenizer come from."""

    source: Literal["pretrain", "local", "hub"]
    path: str
    hub: str
    revision: str
    tokenizer: Tokenizer
    pretrain: Pretrain


class TaskSource(Section):
    """Where the files of a task family come from."""

    source: Literal["local", "hub"]
    path: str
    hub: str


class TaskData(Section):
    """Where the tasks' files come from."""

    glue: TaskSource
    conll2003: TaskSource


class Finetune(Section):
    """Finetuning, for every task that does not say otherwise."""

    max_length: Annotated[int, Field(ge=8, le=512)]
    epochs: Positive
    patience: Positive
    batch: Positive
    learning_rates: Entries[Rate]
    seeds: Entries[Count]
    warmup: Share
    weight_decay: Share
    max_train: Count


Task = overrides_of("Task", Finetune)


class Table(Section):
    """The results table: one row a model, one column a task."""

    models: Entries[ModelPath]
    tasks: Entries[TaskName]


class Cost(Section):
    """How a model's cost is measured."""

    length: Positive
    batches: Entries[Positive]
    repeats: Positive


class Tracking(Section):
    """Where runs are tracked."""

    enabled: bool
    uri: str
    experiment: str


class Runtime(Section):
    """How the work is done. Nothing here changes a result or invalidates one."""

    workers: Count
    device: Literal["auto", "cpu", "cuda"]
    micro_batch: Count
    log_every: Positive
    launcher: str
    tracking: Tracking


class Params(Section):
    """All of params.yaml."""

    seed: Annotated[int, Field(ge=0, lt=2**32)]
    corpus: Corpus
    teacher: Teacher
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
        known = {"teacher"} | {f"{name}/{s}" for name, round_ in self.rounds.items() for s in round_.students}
        for name, round_ in self.rounds.items():
            if round_.teacher.removeprefix("models/") not in known:
                models = ", ".join(sorted(f"models/{k}" for k in known))
                yield f"rounds.{name}.teacher: expected one of {models}; got {round_.teacher!r}"
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
            while (before := teacher.split("/")[1]) != "teacher" and before not in seen:
                seen.append(before)
                teacher = self.rounds[before].teacher
            if before == name:
                own = self.rounds[name].teacher
                yield f"rounds.{name}.teacher: expected a model made before this round, got {own!r}"

    def _width(self, teacher: str) -> int | None:
        """A teacher's width, where params tell it."""
        _, name, *student = teacher.split("/")
        if student:
            return self.rounds[name].students[student[0]].hidden
        return self.teacher.pretrain.hidden if self.teacher.source == "pretrain" else None

    def _uneven_relations(self):
        for name, round_ in self.rounds.items():
            heads = round_.over(self.distill).relation_heads
            width = self._width(round_.teacher)
            if width and width % heads:
                yield (
                    f"rounds.{name}.teacher: expected a width that is a multiple of relation_heads {heads}, "
                    f"got {round_.teacher!r}, {width} wide"
                )
            for student, shape in round_.students.items():
                if shape.hidden % heads:
                    yield (
                        f"rounds.{name}.students.{student}.hidden: expected a multiple of "
                        f"relation_heads {heads}, got {shape.hidden}"
                    )
