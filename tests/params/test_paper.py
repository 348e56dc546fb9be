"""The paper's profiles: their rows, their settings, and ablations that differ in what they are about."""

from pathlib import Path

import pytest

from minimoe.pipeline.profiles import load_profile, names

ROOT = Path(__file__).parents[2]
NAMES = [name for name in names(ROOT) if name.startswith("paper_")]


@pytest.mark.parametrize("name", NAMES)
def test_the_papers_settings(name):
    params = load_profile(name, ROOT)
    for round_ in params.rounds.values():
        for student, shape in round_.students.items():
            cut = shape.sparsity is not None
            assert student.endswith(f"-{shape.sparsity}" if cut else f"{shape.layers}L-{shape.hidden}H")
            assert student.startswith("minimoe") == (max(shape.experts.attention, shape.experts.ffn) > 1)
    distill = params.distill
    assert (distill.epochs, distill.batch, distill.learning_rate, distill.warmup) == (5, 1024, 3e-4, 0.01)
    assert (distill.relation_heads, distill.precision) == (32, "bf16")
    assert len(params.finetune.seeds) > 1 and len(params.finetune.learning_rates) > 1


@pytest.mark.parametrize("teacher", ["base", "large"])
def test_paper_rows(teacher):
    params = load_profile(f"paper_{teacher}", ROOT)
    assert params.teacher.hub == f"google-bert/bert-{teacher}-uncased"
    sizes = ["12L-384H", "6L-384H", "4L-384H", "3L-384H", "4L-192H"]
    rows = {f"base/{kind}-{size}" for kind in ("minilm", "minimoe") for size in sizes}
    rows |= {f"assisted/minilm-ta-{size}" for size in sizes[1:]}
    assert rows | {"teacher"} <= set(params.table.models)
    assert {shape.experts.ffn for name, shape in params.rounds["base"].students.items() if "moe" in name} == {4}
    assert [shape.sparsity for shape in params.rounds["sparse"].students.values()] == [90, 95, 98, 99]


def test_paper_ablations():
    """Each differs from the main rows in what it is about, and in nothing else."""
    rounds = load_profile("paper_base", ROOT).rounds
    dense, moe = rounds["base"].students["minilm-3L-384H"], rounds["base"].students["minimoe-3L-384H"]
    assert {(s.layers, s.hidden) for s in rounds["experts"].students.values()} == {(dense.layers, dense.hidden)}
    experts = {(s.experts.attention, s.experts.ffn) for s in rounds["experts"].students.values()}
    assert experts == {(1, 2), (1, 8), (4, 1), (2, 4), (4, 4)}
    assert rounds["unbalanced"].students == {"minimoe-3L-384H": moe} and rounds["unbalanced"].load_balance == 0
    assert rounds["published"].students == {"minilm-3L-384H": dense, "minimoe-3L-384H": moe}
    assert len(rounds["once-for-all"].once_for_all.students) == 15
    assert rounds["minidisc"].students["sparse-ta-95"] == rounds["sparse"].students["sparse-95"]


def test_curse_rows_differ_in_the_teacher_alone():
    params = load_profile("paper_curse", ROOT)
    base = load_profile("paper_base", ROOT)
    assert params.rounds["base"] == base.rounds["base"]
    assert params.rounds["large"] == base.rounds["base"].model_copy(update={"teacher": "models/teachers/large"})
    assert (params.teacher, params.distill, params.corpus) == (base.teacher, base.distill, base.corpus)
    assert params.teachers["large"].hub == load_profile("paper_large", ROOT).teacher.hub
