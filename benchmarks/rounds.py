"""A round of four students against a round of one: they share the teacher's forward pass."""

from functools import partial
from tempfile import TemporaryDirectory

import torch
from transformers import BertModel

from benchmarks.measure import Row, in_turn
from benchmarks.step import Step, batch, bert
from minimoe.params.rounds import Experts, Student

FOUR = [
    Student(layers=3, hidden=384),
    Student(layers=3, hidden=384, experts=Experts(ffn=4)),
    Student(layers=4, hidden=192),
    Student(layers=4, hidden=192, experts=Experts(ffn=4)),
]
BATCH = 32


def run() -> list[Row]:
    """Students a second, four at once against one alone, under bert-base in fp32 and bf16."""
    rows = []
    with TemporaryDirectory() as folder:
        torch.manual_seed(0)
        BertModel(bert(12, 768)).save_pretrained(folder)
        for precision in ("fp32", "bf16"):
            four, one = (Step(folder, students, 32, precision) for students in (FOUR, FOUR[:1]))
            data = batch(BATCH)
            together, alone = in_turn(partial(four, data), partial(one, data), 3)
            name = f"bert-base → four students, batch {BATCH}, {precision}"
            rows.append(Row(name, "students/s", 4 / together, 1 / alone, "a round of one", 4 / 1.8))
    return rows
