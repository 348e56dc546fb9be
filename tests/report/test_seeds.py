"""Students that differ by their seed alone stand together: compared as one, with the luck of distillation."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from minimoe.report.findings import find
from minimoe.report.page import page, write_report
from minimoe.report.provenance import Provenance
from minimoe.report.questions import EXPERTS, PROJECTED
from minimoe.report.scores import headline
from minimoe.report.seeds import seed_groups
from minimoe.report.tables import markdown, terminal
from tests.report.conftest import DENSE, SMALL, Tree

MIXTURE = DENSE | {"experts": {"ffn": 4}}
SEEDS = {
    "dense-s1": DENSE,
    "dense-s2": DENSE,
    "dense-s3": DENSE,
    "moe-s1": MIXTURE,
    "moe-s2": MIXTURE,
    "moe-s3": MIXTURE,
}
ROUNDS = {
    "luck": {
        "teacher": "models/teacher",
        "students": {name: shape | {"seed": int(name[-1])} for name, shape in SEEDS.items()},
    },
    "assisted": {"teacher": "models/luck/moe-s1", "students": {"ta": DENSE}},
    "control": SMALL["control"],
}
LOSSES = {"dense-s1": 0.23, "dense-s2": 0.25, "dense-s3": 0.24, "moe-s1": 0.20, "moe-s2": 0.23, "moe-s3": 0.22}
POINTS = {"dense-s1": 20.0, "dense-s2": 17.0, "dense-s3": 23.0, "moe-s1": 21.0, "moe-s2": 18.5, "moe-s3": 23.0}
DENSE_NAME, MOE_NAME = "luck/dense (3 seeds)", "luck/moe (3 seeds)"


@pytest.fixture
def lucky(tmp_path) -> Tree:
    """Two methods, three seeds of each, which differ far more by seed than by method."""
    tree = Tree(tmp_path, ROUNDS)
    tree.edit("metrics/distill/luck.json", lambda v: [v[name].update(heldout_loss=own) for name, own in LOSSES.items()])
    for name, points in POINTS.items():
        for task in tree.tasks:
            tree.edit(f"metrics/finetune/luck/{name}/{task}.json", lambda v, mean=50 + points: [
                result.update(mean=mean) for result in v["results"].values()
            ])  # fmt: skip
    return tree


def test_students_that_differ_by_their_seed_alone_are_one_group(lucky):
    groups = {group.name: group.names for group in lucky.collect().groups}
    assert groups == {
        DENSE_NAME: ("luck/dense-s1", "luck/dense-s2", "luck/dense-s3"),
        MOE_NAME: ("luck/moe-s1", "luck/moe-s2", "luck/moe-s3"),
        "assisted/ta": ("assisted/ta",),
        "control/scratch": ("control/scratch",),
    }


def test_names_that_do_not_tell_a_seed_are_those_of_the_first(tmp_path):
    students = {"one": DENSE, "two": DENSE | {"seed": 5}, "one-4": MIXTURE, "one-4-s2": MIXTURE | {"seed": 2}}
    tree = Tree(tmp_path, {"base": {"teacher": "models/teacher", "students": students}})
    assert [group.name for group in tree.collect().groups] == ["base/one (2 seeds)", "base/one-4 (2 seeds)"]


def test_methods_are_compared_as_groups_and_seeds_are_not(lucky):
    found = find(lucky.collect())
    assert [(c.question, c.first, c.second) for c in found.comparisons] == [
        ("distilled or not", "mean of 7 distilled 2L-96H", "control/scratch"),
        (EXPERTS + PROJECTED, MOE_NAME, DENSE_NAME),
        ("with an assistant or without", "assisted/ta", DENSE_NAME),
    ]
    (sentence,) = [one for one in found.sentences if one.startswith("Experts at equal compute")]
    apart = [LOSSES[f"moe-s{seed}"] - LOSSES[f"dense-s{seed}"] for seed in (1, 2, 3)]
    low, high = stats.ttest_1samp(apart, 0).confidence_interval()
    assert "Held-out loss 0.2167 against 0.2400, 9.7 % lower; by seed −0.0233" in sentence
    assert f"95 % interval {low:.4f} to {high:+.4f} (t, n = 3)".replace("-", "−") in sentence
    assert "(3 or more)" in found.sentences[-1] and "Every model was distilled once" not in found.sentences[-1]


def test_the_luck_of_distillation_is_in_the_interval(lucky):
    """As wide as Student's interval of two independent means, where luck with examples is nothing to it."""
    moe = find(lucky.collect()).comparisons[1]
    one, other = ([POINTS[f"{name}-s{seed}"] for seed in (1, 2, 3)] for name in ("moe", "dense"))
    wanted = stats.ttest_ind(one, other).confidence_interval()
    assert moe.mean == pytest.approx(np.mean(one) - np.mean(other))
    assert moe.high - moe.low == pytest.approx(wanted.high - wanted.low, rel=0.2)
    assert moe.verdict == "not told apart from noise"


def test_one_student_against_a_group_has_the_luck_of_the_group(lucky):
    models = ["luck/moe-s1", "luck/dense-s1", "luck/dense-s2", "luck/dense-s3"]
    (found,) = find(lucky.collect(models=models)).comparisons
    assert (found.first, found.second, found.heldout_by_seed) == ("luck/moe-s1", DENSE_NAME, None)
    spread = np.std([POINTS[f"dense-s{seed}"] for seed in (1, 2, 3)], ddof=1)
    assert (found.high - found.low) / 2 > 3 * spread  # t of 2 degrees of freedom is 4.3
    assert found.heldout == pytest.approx((0.20, 0.24))


@pytest.mark.slow
def test_tables_and_files_have_the_groups(lucky):
    results = lucky.collect()
    findings = find(results)
    for text in (markdown(results, findings), terminal(results, findings), page(results, findings, Provenance())):
        assert DENSE_NAME in text and "70.0 ± 3.0" in text and "0.2400 ± 0.0100" in text
    write_report(results, lucky.root / "reports", Provenance())
    seeds = pd.read_csv(lucky.root / "reports/seeds.csv")
    assert list(seeds.students) == [DENSE_NAME, MOE_NAME] and list(seeds.seeds) == [3, 3]
    assert seeds.heldout_loss_std[0] == pytest.approx(0.01) and seeds.score_std[0] == pytest.approx(3.0)
    differences = pd.read_csv(lucky.root / "reports/differences.csv")
    assert differences[differences.task == "held-out loss"].points.tolist() == [pytest.approx(-0.0233)]
    shown = (lucky.root / "reports/index.html").read_text()
    assert 'href="seeds.csv"' in shown and "Some students were distilled with several seeds" in shown


@pytest.mark.slow
def test_the_tiles_are_about_groups_of_seeds(lucky):
    """The luckiest member of any group, dense-s3 or moe-s3, is no method that is higher than its siblings."""
    for task in lucky.tasks:
        lucky.edit(f"metrics/finetune/control/scratch/{task}.json", lambda v: [
            result.update(mean=10.0) for result in v["results"].values()
        ])  # fmt: skip
    lucky.edit("metrics/distill/control.json", lambda v: v["scratch"].update(steps=9))
    results = lucky.collect()
    teacher = headline(results)[1]["mean"]["teacher"]
    shown = page(results, find(results), Provenance())
    assert f"<b>70.8</b><span>{MOE_NAME}; not told apart from 2 of the 3 others</span>" in shown
    assert f"<b>{100 * 70.8333 / teacher:.0f} %</b>" in shown and "7.1 × less" in shown


def test_one_method_of_several_seeds_has_no_others(lucky):
    results = lucky.collect(models=["teacher", *(f"luck/dense-s{seed}" for seed in (1, 2, 3))])
    assert f"<b>70.0</b><span>{DENSE_NAME}</span>" in page(results, find(results), Provenance())


def test_deviations_are_those_of_seeds_and_never_of_other_methods(tmp_path):
    """Of the two sides' groups: a lone student of another method is none, nor is a group of another size."""
    points = {
        "base": {"dense": 80.0, "moe-s1": 59.0, "moe-s2": 63.0, "small-s1": 51.0, "small-s2": 99.0},
        "control": {"scratch-s1": 59.0, "scratch-s2": 61.0},
    }
    shapes = {"dense": DENSE, "moe": MIXTURE, "small": {"layers": 1, "hidden": 96}, "scratch": DENSE}
    rounds = {name: {"teacher": "models/teacher", "epochs": int(name == "base"), "students": {}} for name in points}
    for name, own in points.items():
        for student in own:
            seed = {"seed": int(student[-1])} if student != "dense" else {}
            rounds[name]["students"][student] = shapes[student.partition("-")[0]] | seed
    tree = Tree(tmp_path, rounds)
    for name, own in points.items():
        for student, mean in own.items():
            for task in tree.tasks:
                tree.edit(f"metrics/finetune/{name}/{student}/{task}.json", lambda v, mean=mean: [
                    result.update(mean=mean) for result in v["results"].values()
                ])  # fmt: skip
    row = find(tree.collect(tasks=("rte", "mrpc"))).sections[-1].tables[-1].rows[0]
    assert row[0] == "mean of 3 distilled 2L-96H − control/scratch (2 seeds)"
    difference, deviation = (80 + 59 + 63) / 3 - 60, np.sqrt((8 + 2) / 2)  # variances of moe and of scratch
    assert (row[1], row[4]) == (f"+{difference:.1f}", f"+{difference / deviation:.1f}")


def test_a_student_of_the_runs_own_seed_is_no_second_seed(tmp_path):
    students = {"dense": DENSE, "dense-7": DENSE | {"seed": 7}}
    tree = Tree(tmp_path, {"base": {"teacher": "models/teacher", "students": students}})
    assert [group.name for group in tree.collect(seed=7).groups] == ["base/dense", "base/dense-7"]
    assert [group.name for group in tree.collect(seed=8).groups] == ["base/dense (2 seeds)"]


def test_the_runs_own_seed_is_one_that_two_groups_can_share(tmp_path):
    students = {"dense": DENSE, "dense-8": DENSE | {"seed": 8}}
    students |= {f"moe-{seed}": MIXTURE | {"seed": seed} for seed in (7, 8)}
    tree = Tree(tmp_path, {"base": {"teacher": "models/teacher", "students": students}})
    (found,) = find(tree.collect(seed=7)).comparisons
    assert (found.second, found.seeds) == ("base/dense (2 seeds)", 2)
    assert str(tree.collect(seed=7).models["base/dense"].shape) == "2L-96H"


@pytest.mark.slow
def test_a_table_without_several_seeds_says_nothing_of_them(tree):
    write_report(tree.collect(), tree.root / "reports", Provenance())
    assert not (tree.root / "reports/seeds.csv").exists()
    shown = (tree.root / "reports/index.html").read_text()
    assert "Every model was distilled once" in shown and "Seeds of distillation" not in shown


@pytest.mark.slow
def test_groups_of_teachers_and_seeds_tell_the_curse_by_means(tmp_path):
    students = ROUNDS["luck"]["students"]
    rounds = {"luck": ROUNDS["luck"], "large": {"teacher": "models/teachers/large", "students": students}}
    results = Tree(tmp_path, rounds, ("teacher", "teachers/large")).collect()
    curse = find(results).sections[0]
    assert [row[0] for row in curse.tables[0].rows][1:] == [
        "MiniLM 2L-96H, 3 seeds",
        "MiniMoE 2L-96H, experts 1,4, 3 seeds",
    ]
    assert len(seed_groups(results.models.values())) == 4
