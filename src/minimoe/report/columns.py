"""The columns of the results table: which scores a task gives, their names, and what the GLUE score is."""

from collections.abc import Iterable
from dataclasses import dataclass

SCORE = "GLUE"
OUTSIDE = "outside the score"
CONLL = "CoNLL-2003"
CLUE = "CLUE"


@dataclass(frozen=True)
class Column:
    """One score of one task."""

    key: str  # as in metrics/finetune
    task: str
    label: str
    short: str  # for narrow tables
    group: str  # SCORE: one of the eight that make the GLUE score

    @property
    def name(self) -> str:
        """The label where no group stands above it."""
        return f"{self.group} {self.label}" if self.group == CONLL else self.label


COLUMNS = (
    Column("sst2", "sst2", "SST-2", "sst2", SCORE),
    Column("mrpc", "mrpc", "MRPC", "mrpc", SCORE),
    Column("stsb", "stsb", "STS-B", "stsb", SCORE),
    Column("qqp", "qqp", "QQP", "qqp", SCORE),
    Column("mnli", "mnli", "MNLI-m", "mnli", SCORE),
    Column("mnli-mm", "mnli", "MNLI-mm", "mnlimm", SCORE),
    Column("qnli", "qnli", "QNLI", "qnli", SCORE),
    Column("rte", "rte", "RTE", "rte", SCORE),
    Column("cola", "cola", "CoLA", "cola", OUTSIDE),
    Column("wnli", "wnli", "WNLI", "wnli", OUTSIDE),
    Column("conll2003", "conll2003", "dev", "ner dev", CONLL),
    Column("conll2003-test", "conll2003", "test", "ner tst", CONLL),
    Column("tnews", "tnews", "TNEWS", "tnews", CLUE),
    Column("iflytek", "iflytek", "IFLYTEK", "iflytek", CLUE),
    Column("afqmc", "afqmc", "AFQMC", "afqmc", CLUE),
    Column("cmnli", "cmnli", "CMNLI", "cmnli", CLUE),
    Column("ocnli", "ocnli", "OCNLI", "ocnli", CLUE),
    Column("csl", "csl", "CSL", "csl", CLUE),
)

GLUE = tuple(column.key for column in COLUMNS if column.group == SCORE)


def columns_of(tasks: Iterable[str]) -> list[Column]:
    """The columns that these tasks give: the GLUE score's first, then CoLA and WNLI, CoNLL, CLUE."""
    tasks = set(tasks)
    return [column for column in COLUMNS if column.task in tasks]
