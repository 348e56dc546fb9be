"""The table of tasks, a row each. To add one of a known family, add a row; all else goes by the rows.

That is: the names that params.yaml may say, the readers of official files and of the hub, finetuning, the columns of
the report in the order of the rows, and the sizes that a plan counts with.

Labels are numbered as the hub's copies number them, so that models and files from both sources agree.
Metrics begin with the one that the paper reports (section 4.1); the GLUE score is the mean of eight columns.
CLUE's classification tasks are for Chinese models; its test sets have no public labels, so dev sets are scored.
Sizes are as the tasks' authors list them; tokens of RTE, MRPC, STS-B, SST-2 and CoNLL were counted, others guessed.
"""

from minimoe.tasks.task import Sizes, Split, Task

# groups of columns in the report
SCORE, OUTSIDE, CONLL, CLUE, SIMILARITY = "GLUE", "outside the score", "CoNLL-2003", "CLUE", "not finetuned"

BITS = ("0", "1")
ENTITIES = ("O", "B-PER", "I-PER", "B-ORG", "I-ORG", "B-LOC", "I-LOC", "B-MISC", "I-MISC")
SENTENCE = ("sentence", "label")
PAIR = ("sentence1", "sentence2", "label")
ENTAILMENT = ("entailment", "not_entailment")
CHINESE_NLI = ("neutral", "entailment", "contradiction")
NEWS = tuple(str(code) for code in range(100, 117) if code not in (105, 111))  # of Toutiao's sections
TSV = (Split("train", None, "train.tsv", "train"), Split("dev", "", "dev.tsv", "validation"))


def _glue(name: str, label: str, columns: tuple, labels: tuple, metric: str, *, sizes: tuple, **others) -> Task:
    """A task of GLUE, whose folder has its label as name."""
    given = {"kind": "classification", "folder": label, "hub_columns": columns, "splits": TSV, "group": SCORE} | others
    return Task(
        name=name, label=label, columns=columns, labels=labels, metrics=tuple(metric.split()),
        sizes=Sizes(*sizes), **given,
    )  # fmt: skip


def _clue(name: str, columns: tuple, labels: tuple, *, sizes: tuple, train: str = "train.json") -> Task:
    """A task of CLUE, whose official files and hub copy have the same columns."""
    splits = Split("train", None, train, "train"), Split("dev", "", "dev.json", "validation")
    return Task(
        name=name, label=name.upper(), folder=name, kind="classification", columns=columns, hub_columns=columns,
        labels=labels, metrics=("accuracy",), unlabelled="-", splits=splits, family="clue", group=CLUE,
        sizes=Sizes(*sizes),
    )  # fmt: skip


ROWS = (
    _glue("sst2", "SST-2", SENTENCE, ("negative", "positive"), "accuracy", written=BITS, sizes=(67_349, 872, 15)),
    _glue(
        "mrpc", "MRPC", ("#1 String", "#2 String", "Quality"), ("not_equivalent", "equivalent"), "f1 accuracy",
        hub_columns=PAIR, written=BITS, sizes=(3_668, 408, 54),
    ),
    _glue(
        "stsb", "STS-B", ("sentence1", "sentence2", "score"), (), "spearman pearson",
        kind="regression", bounds=(0.0, 5.0), hub_columns=PAIR, sizes=(5_749, 1_500, 28),
    ),
    _glue(
        "qqp", "QQP", ("question1", "question2", "is_duplicate"), ("not_duplicate", "duplicate"), "f1 accuracy",
        hub_columns=("question1", "question2", "label"), written=BITS, cut_rows=100, sizes=(363_846, 40_430, 31),
    ),
    _glue(
        "mnli", "MNLI", ("sentence1", "sentence2", "gold_label"), ("entailment", "neutral", "contradiction"),
        "accuracy", hub_columns=("premise", "hypothesis", "label"), sizes=(392_702, 19_647, 40),
        splits=(
            Split("train", None, "train.tsv", "train"),
            Split("dev", "", "dev_matched.tsv", "validation_matched", "MNLI-m", "mnli"),
            Split("dev_mismatched", "-mm", "dev_mismatched.tsv", "validation_mismatched", "MNLI-mm", "mnlimm"),
        ),
    ),
    _glue("qnli", "QNLI", ("question", "sentence", "label"), ENTAILMENT, "accuracy", sizes=(104_743, 5_463, 51)),
    _glue("rte", "RTE", PAIR, ENTAILMENT, "accuracy", sizes=(2_490, 277, 70)),
    _glue(
        "cola", "CoLA", SENTENCE, ("unacceptable", "acceptable"), "matthews",
        header=("source", "label", "mark", "sentence"), written=BITS, group=OUTSIDE, sizes=(8_551, 1_043, 11),
    ),
    _glue(
        "wnli", "WNLI", PAIR, ("not_entailment", "entailment"), "accuracy",
        written=BITS, group=OUTSIDE, sizes=(635, 71, 38),
    ),
    Task(
        name="conll2003", kind="tagging", labels=ENTITIES, metrics=("chunk_f1",), family="conll2003", group=CONLL,
        columns=(),  # one token a line: its word first, its tag last
        hub_columns=("tokens", "ner_tags"), sizes=Sizes(14_041, 6_703, 21),
        splits=(
            Split("train", None, "eng.train", "train"),
            Split("dev", "", "eng.testa", "validation", "dev", "ner dev"),
            Split("test", "-test", "eng.testb", "test", "test", "ner tst"),
        ),
    ),
    _clue("tnews", SENTENCE, NEWS, sizes=(53_360, 10_000, 24)),
    _clue("iflytek", SENTENCE, tuple(str(number) for number in range(119)), sizes=(12_133, 2_599, 290)),
    _clue("afqmc", PAIR, BITS, sizes=(34_334, 4_316, 30)),
    _clue("cmnli", PAIR, CHINESE_NLI, sizes=(391_783, 12_241, 53)),
    _clue("ocnli", PAIR, CHINESE_NLI, train="train.50k.json", sizes=(50_437, 2_950, 40)),
    _clue("csl", ("keyword", "abst", "label"), BITS, sizes=(20_000, 3_000, 250)),
    _glue(
        "stsb_cosine", "STS-B cosine", ("sentence1", "sentence2", "score"), (), "spearman pearson",
        kind="similarity", folder="STS-B", configuration="stsb", bounds=(0.0, 5.0), hub_columns=PAIR, splits=TSV[1:],
        group=SIMILARITY, sizes=(0, 1_500, 28),
    ),
)  # fmt: skip

TASKS: dict[str, Task] = {task.name: task for task in ROWS}
