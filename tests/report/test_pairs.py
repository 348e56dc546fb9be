"""Only models that differ in one thing are paired, the right way round; losses go along where they compare."""

import pytest

from minimoe.report.ablations import expert_sweeps
from minimoe.report.findings import OF_PROJECTIONS, find
from minimoe.report.pairs import pairs
from minimoe.report.questions import CUT, EXPERTS, PROJECTED
from tests.report.conftest import DENSE, EVERY, SMALL, Tree


def test_pairs_differ_in_one_thing(tree):
    found = [(c.question, c.first, c.second) for c in find(tree.collect()).comparisons]
    assert found == [
        ("distilled or not", "mean of 3 distilled 2L-96H", "control/scratch"),
        (EXPERTS + PROJECTED, "base/minimoe", "base/minilm"),
        ("with an assistant or without", "assisted/minilm-ta", "base/minilm"),
    ]


@pytest.mark.slow
def test_every_question_has_its_pairs(every):
    found: dict[str, set] = {}
    for pair in pairs(every.collect()):
        found.setdefault(pair.question, set()).add((pair.first, pair.second))
    assert found == {
        EXPERTS + PROJECTED: {
            ("base/minimoe", "base/minilm"),
            ("large/minimoe", "large/minilm"),
            ("experts/minimoe-1x2", "base/minilm"),
            ("experts/minimoe-4x1", "base/minilm"),
            ("experts/minimoe-4x4", "base/minilm"),
            ("moe-assisted/minimoe-ta", "assisted/minilm-ta"),
            ("unbalanced/minimoe", "base/minilm"),
        },
        "with an assistant or without": {
            ("assisted/minilm-ta", "base/minilm"),
            ("moe-assisted/minimoe-ta", "base/minimoe"),
            ("disc/sparse-90", "sparse/sparse-90"),
        },
        "another teacher, dense student": {("large/minilm", "base/minilm")},
        "another teacher, student with experts": {("large/minimoe", "base/minimoe")},
        CUT + PROJECTED: {("sparse/sparse-90", "base/minilm"), ("disc/assistant", "base/minilm")},
        "a second phase or not": {("relations-first/sentence", "base/minilm")},
        "once for all or alone" + PROJECTED: {("ofa/2L-48H", "ofa/alone"), ("ofa/2L-96H", "base/minilm")},
        "published loss or exact": {("published/minilm", "base/minilm")},
        "load balance 0.0 or 0.01": {("unbalanced/minimoe", "base/minimoe")},
        "objective tinybert or minilm": {("tinybert/tinybert", "base/minilm")},
        "objective embedding or minilm": {("sentence/sentence", "base/minilm")},
        "objective embedding or tinybert": {("sentence/sentence", "tinybert/tinybert")},
    }


def test_the_later_row_is_compared_with_the_earlier(every):
    models = ["unbalanced/minimoe", "base/minimoe"]
    (pair,) = pairs(every.collect(models=models))
    assert (pair.question, pair.first) == ("load balance 0.01 or 0.0", "base/minimoe")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("first", "losses"),
    [
        ("base/minimoe", (0.20, 0.21)),
        ("unbalanced/minimoe", (0.20, 0.20)),  # of another round, but of the same teacher and objective
        ("assisted/minilm-ta", None),
        ("large/minilm", None),
        ("tinybert/tinybert", None),
        ("sentence/sentence", None),
        ("disc/sparse-90", None),
    ],
)
def test_heldout_losses_are_compared_where_they_measure_the_same(every, first, losses):
    pair = [pair for pair in pairs(every.collect()) if pair.first == first][-1]
    assert pair.heldout == losses
    assert pair.heldout_change == {None: "", (0.20, 0.21): "4.8 % lower", (0.20, 0.20): "the same"}[losses]


ALWAYS = {"always": SMALL["base"] | {"extra_projection": "always", "students": {"minilm": DENSE}}}


@pytest.fixture
def projected(tmp_path) -> Tree:
    """The small run, and its dense student with the extra projection that students with experts have anyway."""
    return Tree(tmp_path, SMALL | ALWAYS)


def test_a_pair_says_that_experts_come_with_an_extra_projection(projected):
    found = find(projected.collect())
    asked = {(c.first, c.second): (c.question, c.subject) for c in found.comparisons}
    beside = "Experts at equal compute, and with them an extra projection"
    assert asked["base/minimoe", "base/minilm"] == (EXPERTS + PROJECTED, beside)
    assert asked["base/minimoe", "always/minilm"] == (EXPERTS, "Experts at equal compute")
    assert asked["always/minilm", "base/minilm"][0] == "extra projection always or published"
    assert OF_PROJECTIONS in found.sentences
    without = find(projected.collect(models=["base/minimoe", "always/minilm"])).sentences
    assert OF_PROJECTIONS not in without and any(one.startswith("Experts at equal compute: ") for one in without)


def _costs(tree: Tree, model: str, macs: int) -> None:
    tree.edit(f"metrics/cost/{model}.json", lambda cost: cost.update(macs_128=macs))


@pytest.mark.parametrize(
    ("macs", "beside"),
    [
        ({}, "base/minilm"),  # of those that cost the same the first
        ({"base/minilm": 23_000_000}, "base/assistant"),
        ({"base/minilm": 30_000_000, "base/assistant": 34_000_000}, "base/minilm"),
        ({"base/minilm": 36_000_000, "base/assistant": 22_000_000}, "base/assistant"),
        ({"base/minilm": 37_400_000, "base/assistant": 37_400_000}, None),
        ({"base/minilm": 20_900_000, "base/assistant": 20_900_000}, None),
    ],
)
def test_parts_of_the_teacher_are_held_against_the_new_student_nearest_in_cost(tmp_path, macs, beside):
    tree = Tree(tmp_path, SMALL | {"sparse": EVERY["sparse"]})
    for model, count in macs.items():
        _costs(tree, model, count)
    found = [
        (pair.question, pair.first, pair.second) for pair in pairs(tree.collect()) if pair.question.startswith(CUT)
    ]
    assert found == ([(CUT + PROJECTED, "sparse/sparse-90", beside)] if beside else [])


def test_parts_of_the_teacher_are_held_against_a_new_student_that_has_their_projection_too(tmp_path):
    tree = Tree(tmp_path, SMALL | ALWAYS | {"sparse": EVERY["sparse"]})
    (pair,) = [pair for pair in pairs(tree.collect()) if pair.question.startswith(CUT)]
    assert (pair.question, pair.first, pair.second) == (CUT, "sparse/sparse-90", "always/minilm")
    assert pair.heldout is not None


def test_a_sweep_takes_the_dense_student_that_lacks_nothing_but_experts(tmp_path):
    more = {f"minimoe-{count}": DENSE | {"experts": {"ffn": count}} for count in (2, 8)}
    base = SMALL["base"] | {"students": SMALL["base"]["students"] | more}
    tree = Tree(tmp_path, SMALL | ALWAYS | {"base": base})
    (sweep,) = expert_sweeps(tree.collect())
    assert sweep[0].name == "always/minilm"
    (sweep,) = expert_sweeps(tree.collect(models=["base/minilm", *(f"base/{name}" for name in more)]))
    assert sweep[0].name == "base/minilm"
