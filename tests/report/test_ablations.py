"""The small tables hold the numbers of the metrics, only rows that belong together, and nothing where none do."""

from dataclasses import replace

import pytest

from minimoe.params.rounds import Experts
from minimoe.report.ablations import expert_sweeps, sections
from minimoe.report.figures import experts_figure
from minimoe.report.findings import find
from minimoe.report.scores import headline
from minimoe.report.tables import markdown, terminal
from tests.report.conftest import DENSE, Tree


def tables(results) -> dict:
    return {section.title: section.tables for section in sections(results, find(results).comparisons)}


def test_a_run_without_ablations_has_none(tree):
    assert tables(tree.collect()) == {}


@pytest.mark.slow
def test_the_curse_shows_both_teachers_and_the_difference(every):
    for task in every.tasks:
        for name, mean in (("base/minilm", 70.0), ("large/minilm", 68.5)):
            every.edit(
                f"metrics/finetune/{name}/{task}.json",
                lambda v, mean=mean: [result.update(mean=mean) for result in v["results"].values()],
            )
    (table,) = tables(every.collect())["The curse of the capacity gap"]
    assert table.name == "Taught by teacher or by teachers/large"
    assert table.headers[:4] == [
        "student",
        "GLUE score, teacher",
        "GLUE score, teachers/large",
        "GLUE score, difference",
    ]
    assert [row[0] for row in table.rows] == [
        "the teachers themselves", "MiniLM 2L-96H", "MiniMoE 2L-96H, experts 1,4",
    ]  # fmt: skip
    assert table.rows[1][1:] == ["70.0 ± 0.2", "68.5 ± 0.2", "−1.5", "70.0 ± 0.5", "68.5 ± 0.5", "−1.5"]


def test_the_curse_needs_no_row_of_the_teachers(every):
    (table,) = tables(every.collect(models=["base/minilm", "large/minilm"]))["The curse of the capacity gap"]
    assert [row[0] for row in table.rows] == ["MiniLM 2L-96H"]


@pytest.mark.slow
def test_a_sweep_holds_what_differs_in_experts_alone(every):
    results = every.collect()
    published = results.models["base/minimoe"]
    finer = {"experts": Experts(ffn=8, active=2)}
    results.models["base/finer"] = replace(published, name="finer", shape=published.shape.model_copy(update=finer))
    (sweep,) = expert_sweeps(results)
    assert {group.first.experts: group.name for group in sweep} == {
        (1, 1): "base/minilm",
        (1, 2): "experts/minimoe-1x2",
        (1, 4): "base/minimoe",
        (4, 1): "experts/minimoe-4x1",
        (4, 4): "experts/minimoe-4x4",
    }


@pytest.mark.slow
def test_numbers_of_experts_in_order_with_their_losses(every):
    (table,) = tables(every.collect())["Number of experts"]
    assert [row[0] for row in table.rows] == ["1,1", "1,2", "1,4", "4,1", "4,4"]
    assert table.rows[2][4:] == ["0.2000", "28.0 M", "700 k"]


@pytest.mark.slow
def test_load_balance_with_load_and_entropy(every):
    every.edit("metrics/distill/unbalanced.json", lambda v: v["minimoe"].update(
        expert_load={"attention": [], "ffn": [[1.0, 0, 0, 0], [0.5, 0.5, 0, 0]]},
        router_entropy={"attention": [], "ffn": [0.0, 0.6931]},
    ))  # fmt: skip
    every.edit("metrics/distill/base.json", lambda v: v["minimoe"].update(
        expert_load={"attention": [], "ffn": [[0.25] * 4] * 2},
        router_entropy={"attention": [], "ffn": [1.3863, 1.3863]},
    ))  # fmt: skip
    (table,) = tables(every.collect())["Load balance"]
    assert table.headers[-2:] == ["busiest expert, feed-forward", "entropy, feed-forward"]
    assert [(row[0], row[1], row[-2], row[-1]) for row in table.rows] == [
        ("0.01", "base/minimoe", "25 %", "1.00"),
        ("0", "unbalanced/minimoe", "75 %", "0.25"),
    ]


@pytest.mark.slow
def test_the_assistants_choice(every):
    (table,) = tables(every.collect())["The assistant's choice"]
    assert table.rows == [["0 %", "0.1000", "0.900", "1.040", ""], ["70 %", "0.1000", "0.900", "1.050", "chosen"]]


@pytest.mark.slow
@pytest.mark.parametrize("write", [markdown, terminal])
def test_they_are_in_every_text(every, write):
    results = every.collect()
    text = write(results, find(results))
    for title in tables(results):
        assert title in text
    assert "MiniMoE 2L-96H, experts 1,4" in text


def test_students_of_several_seeds_are_one_row_of_a_sweep(tmp_path):
    mixture, finer = (DENSE | {"experts": {"ffn": count}} for count in (4, 8))
    students = {f"{name}-s{seed}": shape | {"seed": seed} for name, shape in (("dense", DENSE), ("moe", mixture))
                for seed in (1, 2)}  # fmt: skip
    students |= {"moe-8": finer | {"seed": 1}}
    rounds = {"luck": {"teacher": "models/teacher", "students": students}}
    unbalanced = rounds["luck"] | {"load_balance": 0.0}
    tree = Tree(tmp_path, rounds | {"unbalanced": unbalanced})
    for seed, mean in ((1, 60.0), (2, 62.0)):
        tree.edit(f"metrics/finetune/luck/moe-s{seed}/rte.json", lambda v, m=mean: v["results"]["rte"].update(mean=m))
    tree.edit("metrics/distill/luck.json", lambda v: [v[f"moe-s{s}"].update(heldout_loss=0.2 + s / 10) for s in (1, 2)])
    models = [f"luck/{name}" for name in students] + ["unbalanced/moe-s2", "unbalanced/moe-s1"]
    results = tree.collect(models=models, tasks=["rte"])
    found = tables(results)
    (table,) = found["Number of experts"]
    assert [row[:2] for row in table.rows] == [
        ["1,1", "luck/dense (2 seeds)"], ["1,4", "luck/moe (2 seeds)"], ["1,8", "luck/moe-8"],
    ]  # fmt: skip
    assert table.rows[1][2:4] == ["61.0 ± 1.4", "0.3500"]
    (table,) = found["Load balance"]
    assert [row[:2] for row in table.rows] == [["0.01", "luck/moe (2 seeds)"], ["0", "unbalanced/moe (2 seeds)"]]
    assert "61.0" in experts_figure(results, found["Number of experts"][0].sweep, *headline(results))


def test_a_sweep_holds_no_students_of_different_single_seeds(tmp_path):
    shapes = {f"moe-{count}": DENSE | {"experts": {"ffn": count}, "seed": count} for count in (2, 4, 8)}
    tree = Tree(tmp_path, {"luck": {"teacher": "models/teacher", "students": shapes}})
    assert expert_sweeps(tree.collect(tasks=["rte"])) == []
