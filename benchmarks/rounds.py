"""A round of four students, which share the teacher's forward pass, against four rounds of one and four published runs.

The published form runs dense students in place of those with experts, which take it longer.
"""

from functools import partial
from tempfile import TemporaryDirectory

import torch
from transformers import BertModel

from benchmarks import naive
from benchmarks.measure import Row, in_turn
from benchmarks.step import PUBLISHED, Step, batch, bert
from minimoe.params.rounds import Experts, Student

FOUR = [
    Student(layers=3, hidden=384),
    Student(layers=3, hidden=384, experts=Experts(ffn=4)),
    Student(layers=4, hidden=192),
    Student(layers=4, hidden=192, experts=Experts(ffn=4)),
]
BATCH, HEADS = 32, 32
AHEAD = {"fp32": 3.5, "bf16": 7.0}  # of four published runs


def run() -> list[Row]:
    """Students a second, four at once against each of them alone, under bert-base in fp32 and bf16."""
    rows = []
    published = [naive.Step(bert(12, 768), bert(s.layers, s.hidden), HEADS, every_layer=True) for s in FOUR[::2]]
    with TemporaryDirectory() as folder:
        torch.manual_seed(0)
        BertModel(bert(12, 768)).save_pretrained(folder)
        for precision, ahead in AHEAD.items():
            steps = [Step(folder, students, HEADS, precision) for students in (FOUR, *([student] for student in FOUR))]
            works = [partial(step, batch(BATCH)) for step in (*steps, *published)]
            together, *rest = in_turn(*works, repeats=3)
            alone, apart = rest[: len(FOUR)], rest[len(FOUR) :]
            name = f"bert-base → four students, batch {BATCH}, {precision}"
            rows.append(Row(name, "students/s", 4 / together, 4 / sum(alone), "each in a round of one", 4 / 1.8))
            rows.append(Row(name, "students/s", 4 / together, len(apart) / sum(apart), PUBLISHED, ahead))
    return rows
