"""The section `own_tasks` of params.yaml: tasks whose files the user brings along, each made a row of the table."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from minimoe.params.base import Entries, Section, Text, distinct, here
from minimoe.tasks.task import OWN, Split, Task

File = Annotated[
    str,
    Field(
        pattern=r"^(?:[^\x00-\x1f\x7f/.][^\x00-\x1f\x7f/]*/)*[^\x00-\x1f\x7f/.][^\x00-\x1f\x7f/]*\.(csv|tsv|jsonl|conll)$"
    ),
]
Metric = Literal[
    "accuracy", "f1", "macro_f1", "matthews", "spearman", "pearson", "micro_f1", "chunk_f1", "tag_accuracy",
]  # fmt: skip
# of each kind, the metrics that can be said of it, those first that are taken where none is said
METRICS = {
    "classification": ("accuracy", "macro_f1", "f1", "matthews"),
    "regression": ("spearman", "pearson"),
    "similarity": ("spearman", "pearson"),
    "multilabel": ("micro_f1", "macro_f1"),
    "tagging": ("chunk_f1", "tag_accuracy"),
}
TAKEN = {"classification": 1, "regression": 2, "similarity": 1, "multilabel": 2, "tagging": 1}
GRADED = ("regression", "similarity")


class OwnTask(Section):
    """A task of the user's own: its files, what is in their columns, and how answers are scored."""

    kind: Literal["classification", "regression", "multilabel", "tagging", "similarity"]
    path: Annotated[Text, here("download the files first")]
    train: File | None = None
    dev: File
    test: File | None = None
    text: Text | None = None
    pair: Text | None = None
    label: Text | None = None
    separator: Annotated[str, Field(pattern=r"^[^\x00-\x1f\x7f]$")] | None = None
    labels: Annotated[list[Text], Field(min_length=1), AfterValidator(distinct)] | None = None
    bounds: Annotated[list[float], Field(min_length=2, max_length=2)] | None = None
    metrics: Entries[Metric] | None = None

    @property
    def files(self) -> list[str]:
        """Its files, in the folder `path`."""
        return [file for file in (self.train, self.dev, self.test) if file]

    def row(self, name: str) -> Task:
        """The row of the tasks' table that it makes. Labels that it does not say are found in its training file."""
        train = Split("train", None, self.train or "")
        dev, test = Split("dev", "", self.dev), Split("test", "-test", self.test or "", f"{name} test", f"{name}-test")
        return Task(
            name=name, label=name, kind=self.kind, family=OWN, group="own tasks", folder=self.path,
            columns=tuple(filter(None, (self.text, self.pair, self.label))),
            labels=tuple(self.labels or ()), bounds=tuple(self.bounds or (0.0, 1.0)), separator=self.separator or ",",
            metrics=tuple(self.metrics or METRICS[self.kind][: TAKEN[self.kind]]),
            splits=tuple(split for split in (train, dev, test) if split.file),
        )  # fmt: skip

    @model_validator(mode="after")
    def _keys_fit_its_kind(self):
        problems = [*self._missing(), *self._useless(), *self._wrong()]
        if problems:
            raise ValueError("\n".join(problems))
        return self

    def _missing(self):
        needed = {
            "train": self.kind != "similarity",
            "text": not self._conll,
            "label": not self._conll,
            "pair": self.kind == "similarity",
            "bounds": self.kind in GRADED,
        }
        meanings = {"bounds": "the lowest and the highest label, such as [0, 5]", "train": "a file to train on"}
        for key, is_needed in needed.items():
            if is_needed and getattr(self, key) is None:
                yield f"{key}: missing; a task of kind {self.kind} needs {meanings.get(key, 'the name of a column')}"

    def _useless(self):
        read = {
            "train": self.kind != "similarity",
            "pair": self.kind != "tagging",
            "separator": self.kind == "multilabel",
            "labels": self.kind not in GRADED,
            "bounds": self.kind in GRADED,
        }
        for key, is_read in read.items():
            if not is_read and getattr(self, key) is not None:
                yield f"{key}: not read for a task of kind {self.kind}; expected it gone, got {getattr(self, key)!r}"

    def _wrong(self):
        known = METRICS[self.kind]
        for metric in self.metrics or ():
            if metric not in known:
                yield f"metrics: expected some of {', '.join(known)} for a task of kind {self.kind}, got {metric!r}"
        columns = [column for column in (self.text, self.pair, self.label) if column]
        if len(set(columns)) < len(columns):
            yield f"label: expected text, pair and label in columns of their own, got {', '.join(columns)}"
        if self.bounds and self.bounds[0] >= self.bounds[1]:
            yield f"bounds: expected the lowest label and a higher one, got {self.bounds}"
        conll = [file for file in self.files if file.endswith(".conll")]
        if conll and self.kind != "tagging":
            yield f"kind: expected tagging with a .conll file, got {self.kind!r} with {conll[0]}"

    @property
    def _conll(self) -> bool:
        """Whether no file has columns with names."""
        return all(file.endswith(".conll") for file in self.files)
