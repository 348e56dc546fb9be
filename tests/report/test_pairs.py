"""Only models that differ in one thing are paired, the right way round; losses go along where they compare."""

import pytest

from minimoe.report.findings import find
from minimoe.report.pairs import pairs


def test_pairs_differ_in_one_thing(tree):
    found = [(c.question, c.first, c.second) for c in find(tree.collect()).comparisons]
    assert found == [
        ("distilled or not", "mean of 3 distilled 2L-96H", "control/scratch"),
        ("experts or dense", "base/minimoe", "base/minilm"),
        ("with an assistant or without", "assisted/minilm-ta", "base/minilm"),
    ]


@pytest.mark.slow
def test_every_question_has_its_pairs(every):
    found: dict[str, set] = {}
    for pair in pairs(every.collect()):
        found.setdefault(pair.question, set()).add((pair.first, pair.second))
    assert found == {
        "experts or dense": {
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
        "a second phase or not": {("relations-first/sentence", "base/minilm")},
        "once for all or alone": {("ofa/2L-48H", "ofa/alone"), ("ofa/2L-96H", "base/minilm")},
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
