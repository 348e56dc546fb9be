"""The plain sections of params.yaml: one class each, its fields in the order a reader meets them.

Meanings and units stand beside the values in params.yaml; here stand types and limits.
"""

from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from minimoe.params.base import (
    PART,
    Count,
    Entries,
    Few,
    HubId,
    Key,
    Layers,
    Positive,
    Rate,
    Revision,
    Section,
    Seed,
    Share,
    Text,
    Width,
    distinct,
    here,
    overrides_of,
)  # fmt: skip

ModelFolder = Annotated[Text, here("a model of the hub is named at hub, with source: hub")]
ModelPath = Annotated[str, Field(pattern=rf"^(teacher|{PART}/{PART})$")]
StudentPath = Annotated[str, Field(pattern=rf"^{PART}/{PART}$")]


def _text_of_a_date(value: object) -> object:
    """A date as text; without quotes it is a number to YAML."""
    return str(value) if type(value) is int else value


class Download(Section):
    """Where the dump comes from."""

    source: Annotated[str, Field(pattern=r"^(local|wikipedia|hub|(https?|file)://.+)$")]
    path: Annotated[Text, here("an address is given at source")]
    wiki: Annotated[str, Field(pattern=r"^[a-z_]+wiki$")]
    date: Annotated[str, BeforeValidator(_text_of_a_date), Field(pattern=r"^(latest|[0-9]{8})$")]
    hub: HubId
    revision: Revision
    files: Text


class Extract(Section):
    """What the corpus is like, and what wikiextractor does with a wiki's dump."""

    form: Literal["wikipedia", "text", "jsonl", "parquet", "cluecorpus", "wudao"]
    templates: bool
    document_end: Literal["blank_line", "line", "file"]
    field: Text


class Format(Section):
    """How documents become sentences."""

    splitter: Literal["sentencex", "published"]
    min_length: Count


class RecordsParams(Section):
    """How sentences become training examples."""

    max_length: Annotated[int, Field(ge=8, le=65535)]
    short_probability: Share
    heldout: Annotated[float, Field(gt=0, le=0.5)]


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

    layers: Layers
    hidden: Width
    heads: Few
    neurons: Width
    masked: Annotated[float, Field(gt=0, lt=1)]
    epochs: Positive
    batch: Positive
    learning_rate: Rate

    @model_validator(mode="after")
    def _heads_divide_hidden(self):
        if self.hidden % self.heads:
            raise ValueError(f"hidden: expected a multiple of heads {self.heads}, got {self.hidden}")
        return self


class TeacherParams(Section):
    """Where the teacher and its tokenizer come from."""

    source: Literal["pretrain", "local", "hub"]
    path: ModelFolder
    hub: HubId
    revision: Revision
    tokenizer: Tokenizer
    pretrain: Pretrain


class FurtherTeacher(Section):
    """Where another teacher comes from; it shares the first one's tokenizer and so its records."""

    source: Literal["local", "hub"]
    path: ModelFolder
    hub: HubId
    revision: Revision


class Sparsify(Section):
    """How the importance of the teacher's heads, neurons and hidden dimensions is measured."""

    teachers: Annotated[list[Literal["teacher"]], AfterValidator(distinct)]
    share: Annotated[float, Field(gt=0, le=1)]
    batch: Positive
    criterion: Literal["masked_lm", "states"]
    sparsities: Entries[Annotated[int, Field(ge=0, le=99)]]


class TaskSource(Section):
    """Where the files of a task family come from."""

    source: Literal["local", "hub"]
    path: Annotated[Text, here("a data set of the hub is named at hub, with source: hub")]
    hub: Annotated[str, Field(pattern=rf"^({PART}/)?{PART}(@{PART})?$", max_length=150)]  # id, or id@revision


class TaskData(Section):
    """Where the tasks' files come from."""

    glue: TaskSource
    conll2003: TaskSource
    clue: TaskSource


class Finetune(Section):
    """Finetuning, for every task that does not say otherwise."""

    max_length: Annotated[int, Field(ge=8, le=512)]
    epochs: Positive
    patience: Positive
    batch: Positive
    learning_rates: Entries[Rate]
    seeds: Entries[Seed]
    warmup: Share
    weight_decay: Share
    max_train: Count
    precision: Literal["fp32", "bf16"]
    threads: Annotated[int, Field(ge=1, le=1024)]


OwnFinetune = overrides_of("OwnFinetune", Finetune)


class Table(Section):
    """The results table: one row a model, one column a task."""

    models: Entries[ModelPath]
    tasks: Entries[Key]


class Taught(Section):
    """Rows that are finetuned once more, with a finetuned row of the table as a teacher of the task."""

    models: Annotated[list[StudentPath], AfterValidator(distinct)]
    teacher: ModelPath
    temperature: Annotated[float, Field(gt=0, le=1000)]
    weight: Share
    unlabelled: Count


class Cost(Section):
    """How a model's cost is measured."""

    length: Positive
    batches: Entries[Positive]
    repeats: Positive


class Export(Section):
    """Rows that are exported to ONNX."""

    models: Annotated[list[ModelPath], AfterValidator(distinct)]
    tasks: Annotated[list[Key], AfterValidator(distinct)]
