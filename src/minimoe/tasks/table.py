"""The table of tasks: a few lines of data each, used by the readers, the finetuning loop and the report.

Labels are numbered as the hub's copies number them, so that models and files from both sources agree.
Metrics begin with the one that the paper reports (section 4.1); the GLUE score is the mean of eight columns.
CLUE's classification tasks are for Chinese models; its test sets have no public labels, so dev sets are scored.
"""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Split:
    """One set of examples of a task."""

    name: str  # the file data/tasks/<task>/<name>.jsonl
    file: str  # its official file
    hub: str  # its split in the hub's copy
    suffix: str | None = ""  # of the results column that it scores; None: a training set


@dataclass(frozen=True)
class Task:
    """One task: its files, columns, labels and metrics."""

    name: str
    kind: Literal["classification", "regression", "tagging"]
    folder: str  # of its official files, within the family's folder
    columns: tuple[str, ...]  # official columns: text, for pairs the second text, label
    hub_columns: tuple[str, ...]  # the same of the hub's copy
    labels: tuple[str, ...]  # names, in the order of their numbers; none for a regression
    metrics: tuple[str, ...]  # keys of minimoe.finetune.metrics, the paper's first
    written: tuple[str, ...] = ()  # labels as the official files write them; empty: by name
    header: tuple[str, ...] = ()  # for official files without a header line
    bounds: tuple[float, float] = (0.0, 1.0)  # of a regression's label
    unlabelled: str = ""  # what official files write where the annotators did not agree; such rows are left out
    cut_rows: int = 0  # official rows known to be cut apart by a line break in a text, at most
    splits: tuple[Split, ...] = (
        Split("train", "train.tsv", "train", None),
        Split("dev", "dev.tsv", "validation"),
    )
    family: Literal["glue", "conll2003", "clue"] = "glue"  # key of task_data in params.yaml
    in_score: bool = True  # its columns are part of the GLUE score

    @property
    def results(self) -> dict[str, str]:
        """Results columns → the split that each is scored on; the first chooses the best epoch."""
        return {self.name + split.suffix: split.name for split in self.splits if split.suffix is not None}


BITS = ("0", "1")
ENTITIES = ("O", "B-PER", "I-PER", "B-ORG", "I-ORG", "B-LOC", "I-LOC", "B-MISC", "I-MISC")
PAIR = ("sentence1", "sentence2", "label")
CHINESE_NLI = ("neutral", "entailment", "contradiction")
NEWS = tuple(str(code) for code in range(100, 117) if code not in (105, 111))  # of Toutiao's sections


def _clue(name: str, columns: tuple[str, ...], labels: tuple[str, ...], train: str = "train.json") -> Task:
    """A task of CLUE, whose official files and hub copy have the same columns."""
    return Task(
        name=name,
        kind="classification",
        folder=name,
        columns=columns,
        hub_columns=columns,
        labels=labels,
        metrics=("accuracy",),
        unlabelled="-",
        splits=(Split("train", train, "train", None), Split("dev", "dev.json", "validation")),
        family="clue",
        in_score=False,
    )


_TASKS = (
    Task(
        name="cola",
        kind="classification",
        folder="CoLA",
        header=("source", "label", "mark", "sentence"),
        columns=("sentence", "label"),
        hub_columns=("sentence", "label"),
        labels=("unacceptable", "acceptable"),
        written=BITS,
        metrics=("matthews",),
        in_score=False,
    ),
    Task(
        name="sst2",
        kind="classification",
        folder="SST-2",
        columns=("sentence", "label"),
        hub_columns=("sentence", "label"),
        labels=("negative", "positive"),
        written=BITS,
        metrics=("accuracy",),
    ),
    Task(
        name="mrpc",
        kind="classification",
        folder="MRPC",
        columns=("#1 String", "#2 String", "Quality"),
        hub_columns=PAIR,
        labels=("not_equivalent", "equivalent"),
        written=BITS,
        metrics=("f1", "accuracy"),
    ),
    Task(
        name="stsb",
        kind="regression",
        folder="STS-B",
        columns=("sentence1", "sentence2", "score"),
        hub_columns=PAIR,
        labels=(),
        bounds=(0.0, 5.0),
        metrics=("spearman", "pearson"),
    ),
    Task(
        name="qqp",
        kind="classification",
        folder="QQP",
        columns=("question1", "question2", "is_duplicate"),
        hub_columns=("question1", "question2", "label"),
        labels=("not_duplicate", "duplicate"),
        written=BITS,
        metrics=("f1", "accuracy"),
        cut_rows=100,
    ),
    Task(
        name="mnli",
        kind="classification",
        folder="MNLI",
        columns=("sentence1", "sentence2", "gold_label"),
        hub_columns=("premise", "hypothesis", "label"),
        labels=("entailment", "neutral", "contradiction"),
        metrics=("accuracy",),
        splits=(
            Split("train", "train.tsv", "train", None),
            Split("dev", "dev_matched.tsv", "validation_matched"),
            Split("dev_mismatched", "dev_mismatched.tsv", "validation_mismatched", "-mm"),
        ),
    ),
    Task(
        name="qnli",
        kind="classification",
        folder="QNLI",
        columns=("question", "sentence", "label"),
        hub_columns=("question", "sentence", "label"),
        labels=("entailment", "not_entailment"),
        metrics=("accuracy",),
    ),
    Task(
        name="rte",
        kind="classification",
        folder="RTE",
        columns=PAIR,
        hub_columns=PAIR,
        labels=("entailment", "not_entailment"),
        metrics=("accuracy",),
    ),
    Task(
        name="wnli",
        kind="classification",
        folder="WNLI",
        columns=PAIR,
        hub_columns=PAIR,
        labels=("not_entailment", "entailment"),
        written=BITS,
        metrics=("accuracy",),
        in_score=False,
    ),
    Task(
        name="conll2003",
        kind="tagging",
        folder=".",
        columns=(),  # one token a line: its word first, its tag last
        hub_columns=("tokens", "ner_tags"),
        labels=ENTITIES,
        metrics=("chunk_f1",),
        splits=(
            Split("train", "eng.train", "train", None),
            Split("dev", "eng.testa", "validation"),
            Split("test", "eng.testb", "test", "-test"),
        ),
        family="conll2003",
        in_score=False,
    ),
    _clue("tnews", ("sentence", "label"), NEWS),
    _clue("iflytek", ("sentence", "label"), tuple(str(number) for number in range(119))),
    _clue("afqmc", PAIR, BITS),
    _clue("cmnli", PAIR, CHINESE_NLI),
    _clue("ocnli", PAIR, CHINESE_NLI, train="train.50k.json"),
    _clue("csl", ("keyword", "abst", "label"), BITS),
)

TASKS: dict[str, Task] = {task.name: task for task in _TASKS}

GLUE_SCORE: tuple[str, ...] = tuple(column for task in _TASKS if task.in_score for column in task.results)
