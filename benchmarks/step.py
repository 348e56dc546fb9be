"""The distillation step: sequences a second against the naive step in fp32, and the share of the machine's peak.

The naive step has two forms: the published one, which the goals are set against, and a lean one, with relations of
the last layers alone. The peak is that of a large matrix product in the same arithmetic; the work counted is the step's
own matrix products. Lengths are those of records of at most 128 tokens: nine of ten are full.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from tempfile import TemporaryDirectory
from types import SimpleNamespace

import torch
from transformers import BertConfig, BertModel

from benchmarks import naive
from benchmarks.measure import Row, in_turn, peak
from minimoe.distill.batch import Batch, TokenCounts
from minimoe.distill.hooks import Teacher
from minimoe.distill.learner import Learner, passes
from minimoe.distill.start import StudentFactory
from minimoe.params.rounds import Distill, Student
from minimoe.plan import operations
from minimoe.training.graphs import Graphs, run_sections

LENGTH = 128
SIZES = (16, 32)
REPEATS = 3
PUBLISHED, LEAN = "published form in fp32", "naive step in fp32"


@dataclass(frozen=True)
class Case:
    """A teacher's and a student's shape."""

    name: str
    teacher: tuple[int, int]  # layers, width
    student: Student
    relation_heads: int
    goals: dict[str, float]  # of the ratio to the published form, by precision
    peaks: dict[str, float] = field(default_factory=dict)  # of the share of the machine's peak, at the largest batch


CASES = [
    Case(
        "bert-base → 3L-384H",
        (12, 768),
        Student(layers=3, hidden=384),
        relation_heads=32,
        goals={"fp32": 1.6, "bf16": 3.5},
        peaks={"fp32": 0.8, "bf16": 0.65},
    ),
    Case("all-MiniLM-L6 → 3L-192H", (6, 384), Student(layers=3, hidden=192), 24, goals={"fp32": 2.5, "bf16": 4.0}),
]


def run() -> list[Row]:
    """Every case at batch 16 and 32, in fp32 and bf16."""
    rows = []
    for case in CASES:
        with TemporaryDirectory() as folder:
            BertModel(bert(*case.teacher)).save_pretrained(folder)
            published, lean = (baseline(case, every_layer=every) for every in (True, False))
            for precision, goal in case.goals.items():
                ours = Step(folder, [case.student], case.relation_heads, precision)
                for size in SIZES:
                    data = batch(size)
                    works = (partial(step, data) for step in (ours, published, lean))
                    fast, slow, slower = in_turn(*works, repeats=REPEATS)
                    name = f"{case.name}, batch {size}, {precision}"
                    rows.append(Row(name, "sequences/s", size / fast, size / slow, PUBLISHED, goal))
                    rows.append(Row(name, "sequences/s", size / fast, size / slower, LEAN))
                    dtype = torch.bfloat16 if precision == "bf16" else torch.float32
                    reached, limit = ours.flops(data) / fast, peak(dtype)
                    wanted = case.peaks.get(precision) if size == max(SIZES) else None
                    rows.append(Row(name, "GFLOP/s", reached / 1e9, limit / 1e9, "large matrix product", wanted))
    return rows


def baseline(case: Case, *, every_layer: bool = True) -> naive.Step:
    """The naive step of this case."""
    student = bert(case.student.layers, case.student.hidden)
    return naive.Step(bert(*case.teacher), student, case.relation_heads, every_layer=every_layer)


class Step:
    """One step of a round of these students, as a round takes it in one process.

    Args:
        teacher: its folder. students: their shapes. heads: relation heads. precision: of the encoders.
        device: cpu or cuda; default: the GPU where there is one. compiled: whether encoders run compiled.
        recorded: whether the passes run as CUDA graphs, of compiled encoders.
        changes: of the round's settings.
    """

    def __init__(
        self,
        teacher: str,
        students: list[Student],
        heads: int,
        precision: str = "fp32",
        device: str = "",
        *,
        compiled: bool = False,
        recorded: bool = False,
        **changes,
    ):
        self.settings = settings(heads, precision).model_copy(update=changes)
        where = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
        self.accelerator = SimpleNamespace(device=where, num_processes=1, process_index=0)
        self.teacher = Teacher(teacher, "last", precision=precision)
        self.teacher.to(self.accelerator, compiled=compiled)
        self.factory = StudentFactory(self.teacher.config, self.settings, 0)
        self.students = {str(number): student for number, student in enumerate(students)}
        made = [self.factory.student(*student).to(self.accelerator.device) for student in self.students.items()]
        self.learners = [
            Learner(student, self.settings, 1000, 0, self.accelerator, compiled=compiled) for student in made
        ]
        self.run = Graphs(where) if recorded else partial(_as_usual, where)

    def __call__(self, records: dict[str, torch.Tensor]) -> None:
        """Take it with ids, mask and segments [B, T]."""
        batch = Batch.of(records, self.accelerator.device)
        counts = TokenCounts.of(records["attention_mask"].sum(1))
        self.run(partial(passes, self.teacher, self.learners), batch, counts, key=self.learners[0].key(0))
        for learner in self.learners:
            learner.update()

    def flops(self, batch: dict[str, torch.Tensor]) -> int:
        """Floating-point operations of the step's matrix products, padding included, as `plan` counts them."""
        size, length = batch["input_ids"].shape
        teacher = operations.teacher_hooks(self.teacher.config, self.settings)
        students = operations.students(self.factory, self.students)
        one = operations.count_pass(teacher, students, self.settings, length)
        return size * (one.teacher + sum(learner.flops for learner in one.learners))


def _as_usual(device: torch.device, body: Callable, *arguments, key: tuple[int, ...]) -> None:
    run_sections(body(*arguments), device, key)


def bert(layers: int, hidden: int) -> BertConfig:
    """BERT of this shape, 12 heads."""
    return BertConfig(
        num_hidden_layers=layers, hidden_size=hidden, num_attention_heads=12, intermediate_size=4 * hidden
    )


def batch(size: int) -> dict[str, torch.Tensor]:
    """Random sequences; one in ten is short."""
    generator = torch.Generator().manual_seed(0)
    lengths = torch.full((size, 1), LENGTH)
    short = torch.rand(size, 1, generator=generator) < 0.1
    lengths[short] = torch.randint(8, LENGTH, (int(short.sum()),), generator=generator)
    mask = (torch.arange(LENGTH) < lengths).long()
    ids = torch.randint(1000, 30000, (size, LENGTH), generator=generator) * mask
    return {"input_ids": ids, "attention_mask": mask, "token_type_ids": torch.zeros_like(ids)}


def settings(heads: int, precision: str) -> Distill:
    """The published schedule."""
    return Distill(
        epochs=1, batch=16, learning_rate=3e-4, warmup=0.01, weight_decay=0.01, gradient_norm=5.0, adam_epsilon=1e-6,
        schedule="linear", expert_learning_rate=1.0, router_z_loss=0.0,
        dropout=0.1, precision=precision, objective="minilm", teacher_layer="last", relation_heads=heads,
        further_layers=[], relation_sequences=1, extra_projection="published",
        relation_dropout=0.0, log_epsilon=0.0, relation_weights=[1, 1, 1], tinybert_weights=[1, 1],
        embedding_distance="cosine", load_balance=0.01,
        balance_padding=False, assistant_tradeoff=0.2, heldout=8, evaluate_every=100,
    )  # fmt: skip
