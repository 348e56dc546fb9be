"""A step of once-for-all training: 15 students that share the weights of one.

The baseline is of the published form. It runs with freed memory kept, as ours, and in a process of its own with the C
library's default.
"""

from contextlib import contextmanager
from functools import partial
from multiprocessing import get_context
from tempfile import TemporaryDirectory

import torch
from accelerate import Accelerator
from transformers import BertConfig, BertModel

from benchmarks import naive
from benchmarks.measure import Row, in_turn
from benchmarks.step import PUBLISHED, Step, batch, bert
from minimoe.distill.learner import Learner
from minimoe.distill.start import StudentFactory
from minimoe.params.rounds import OnceForAll, Student

STUDENTS = OnceForAll(layers=[6, 4, 3], hidden=[768, 512, 384, 256, 192])
HEADS, BATCH = 32, 8


def run() -> list[Row]:
    """Two rows for fp32 and two for bf16."""
    rows = []
    with TemporaryDirectory() as folder, _apart() as default:
        BertModel(bert(12, 768)).save_pretrained(folder)
        kept, data = partial(_baseline(), batch(BATCH)), batch(BATCH)
        for precision in ("fp32", "bf16"):
            ours = partial(_step(folder, precision), data)
            name = f"bert-base → once for all, {len(STUDENTS.students)} students, batch {BATCH}, {precision}"
            for baseline, memory, goal in ((kept, "kept", None), (default, "default", 3.0)):
                fast, slow = in_turn(ours, baseline, repeats=2)
                against = f"{PUBLISHED}, memory {memory}"
                rows.append(Row(name, "sequences/s", BATCH / fast, BATCH / slow, against, goal))
    return rows


@contextmanager
def _apart():
    """The baseline's step in a process whose allocator is as it comes."""
    context = get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=_serve, args=(there, torch.get_num_threads()), daemon=True)
    process.start()
    there.close()  # so that its end is noticed

    def step() -> None:
        here.send(None)
        here.recv()

    yield step
    process.kill()


def _serve(connection, threads: int) -> None:
    torch.set_num_threads(threads)
    baseline, data = _baseline(), batch(BATCH)
    while True:
        connection.recv()
        baseline(data)
        connection.send(None)


def _baseline() -> naive.OnceForAll:
    students = [_student(student) for student in STUDENTS.students.values()]
    return naive.OnceForAll(bert(12, 768), students, HEADS)


def _step(teacher: str, precision: str) -> Step:
    step = Step(teacher, [], HEADS, precision)
    supernet = StudentFactory(step.teacher.config, step.settings, 0).once_for_all(STUDENTS)
    step.learners = [Learner(supernet, step.settings, 1000, 0, Accelerator(cpu=True))]
    return step


def _student(student: Student) -> BertConfig:
    config = bert(student.layers, student.hidden)
    config.num_attention_heads = student.heads
    return config
