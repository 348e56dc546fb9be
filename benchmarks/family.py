"""A step of once-for-all training: 15 students that share the weights of one."""

from functools import partial
from tempfile import TemporaryDirectory

from accelerate import Accelerator
from transformers import BertConfig, BertModel

from benchmarks import naive
from benchmarks.measure import Row, in_turn
from benchmarks.step import Step, batch, bert
from minimoe.distill.learner import Learner
from minimoe.distill.start import Start
from minimoe.params.rounds import OnceForAll

MEMBERS = OnceForAll(layers=[6, 4, 3], hidden=[768, 512, 384, 256, 192])
HEADS, BATCH = 32, 8


def run() -> list[Row]:
    """One row for fp32 and one for bf16."""
    members, rows = [_member(layers, hidden) for layers, hidden in MEMBERS.students.values()], []
    with TemporaryDirectory() as folder:
        BertModel(bert(12, 768)).save_pretrained(folder)
        baseline, data = naive.OnceForAll(bert(12, 768), members, HEADS), batch(BATCH)
        for precision in ("fp32", "bf16"):
            ours = _step(folder, precision)
            fast, slow = in_turn(partial(ours, data), partial(baseline, data), 2)
            name = f"bert-base → once for all, {len(members)} students, batch {BATCH}, {precision}"
            rows.append(Row(name, "sequences/s", BATCH / fast, BATCH / slow, "naive, one by one, in fp32", 3.0))
    return rows


def _step(teacher: str, precision: str) -> Step:
    step = Step(teacher, [], HEADS, precision)
    whole = Start(step.teacher.config, step.settings, 0).once_for_all(MEMBERS)
    step.learners = [Learner(whole, step.settings, 1000, 0, Accelerator(cpu=True))]
    return step


def _member(layers: int, hidden: int) -> BertConfig:
    config = bert(layers, hidden)
    config.num_attention_heads = hidden // 64
    return config
