"""What the report says about differences, and that it does not say more than the numbers do."""

import pandas as pd
import pytest

from minimoe.report.comparisons import compare, task_means
from minimoe.report.findings import find

ABOUT = {"question": "?", "subject": "?", "first": "a", "second": "b"}


def scores(**by_task: float) -> pd.Series:
    return pd.Series(by_task)


def test_columns_of_one_task_count_once():
    first = pd.DataFrame({"task": ["mnli", "mnli", "rte", "sst2"], "mean": [52.0, 54.0, 51.0, 51.0]})
    second = pd.DataFrame({"task": ["mnli", "mnli", "rte", "sst2"], "mean": [50.0, 50.0, 50.0, 50.0]})
    found = compare(task_means(first), task_means(second), **ABOUT)
    assert (found.tasks, found.above) == (3, 3)
    assert found.mean == pytest.approx((3 + 1 + 1) / 3)


def test_the_interval_is_students():
    found = compare(scores(a=1.0, b=2.0, c=3.0, d=4.0), scores(a=0.0, b=0.0, c=0.0, d=0.0), **ABOUT)
    # t(3) at 97.5 % is 3.1824; the standard error of 1, 2, 3, 4 is 0.6455
    assert (found.low, found.high) == pytest.approx((2.5 - 3.1824 * 0.6455, 2.5 + 3.1824 * 0.6455), abs=1e-3)


@pytest.mark.parametrize(
    ("values", "verdict"),
    [
        ({"a": 1.0, "b": 1.1, "c": 0.9}, "higher"),
        ({"a": -1.0, "b": -1.1, "c": -0.9}, "lower"),
        ({"a": 3.0, "b": -1.0, "c": 0.5}, "not told apart from noise"),
        ({"a": 0.0, "b": 0.0, "c": 0.0}, "not told apart from noise"),
        ({"a": 9.0, "b": 9.0}, "too few tasks to tell"),
    ],
)
def test_verdicts(values, verdict):
    assert compare(scores(**values), scores(**dict.fromkeys(values, 0.0)), **ABOUT).verdict == verdict


def test_the_control_is_compared_with_students_of_its_size_alone(tree):
    for task in tree.tasks:
        tree.edit(f"metrics/finetune/base/assistant/{task}.json", lambda v: [
            result.update(mean=99.0) for result in v["results"].values()
        ])  # fmt: skip
    control = find(tree.collect()).comparisons[0]
    assert control.mean == pytest.approx((20 + 21 + 20) / 3 - 10, abs=0.3)
    assert control.verdict == "higher"


def test_experts_are_told_with_their_price(tree):
    macs, latency = lambda v: v.update(macs_128=28_280_000), lambda v: v.update(latency_ms_b1=3.75, latency_ms_b32=35)
    for change in (macs, latency, lambda v: v.update(params_total=1_400_000)):
        tree.edit("metrics/cost/base/minimoe.json", change)
    text = "\n".join(find(tree.collect()).sentences)
    price = "measured latency 1.5 × at batch 1 and 2.5 × at batch 32"
    assert f"(1.01 × the multiply-adds, 2.0 × the parameters, {price})" in text
    assert text.count("× the multiply-adds") == 1  # the assistant's student costs what its counterpart does


def test_sentences_say_what_is_not_so(tree):
    tree.edit("metrics/finetune/teacher/wnli.json", lambda v: v["results"]["wnli"].update(mean=49.0))
    for task in tree.tasks:  # a control as good as the rest
        for name in ("minilm", "minimoe"):
            tree.edit(f"metrics/finetune/base/{name}/{task}.json", lambda v: [
                result.update(mean=60.0) for result in v["results"].values()
            ])  # fmt: skip
    text = "\n".join(find(tree.collect()).sentences)
    assert "above the majority label in 11 of 12 columns" in text and "not above it: WNLI" in text
    assert "base/minimoe against base/minilm" in text and "not told apart from noise" in text
    assert "base/minimoe scores" not in text


def test_many_pairs_become_one_sentence(tree, monkeypatch):
    monkeypatch.setattr("minimoe.report.findings.MAX_SENTENCES", 0)
    sentences = find(tree.collect()).sentences
    assert any(s.startswith("Experts at equal compute: of 1 pairs") for s in sentences)


def test_a_table_without_counterparts_says_only_what_it_can(tree):
    findings = find(tree.collect(models=["teacher", "base/minimoe"]))
    assert findings.comparisons == [] and len(findings.sentences) == 1
    assert find(tree.collect(models=["base/minimoe"])).sentences == []


def test_students_at_the_majority_label_are_counted(tree):
    students = ("base/minilm", "base/minimoe", "base/assistant", "assisted/minilm-ta")
    for name in (*students, "control/scratch"):
        tree.edit(f"metrics/finetune/{name}/mrpc.json", lambda v: v["results"]["mrpc"].update(mean=50.0))
    tree.edit("metrics/finetune/base/minilm/qqp.json", lambda v: v["results"]["qqp"].update(mean=0.0))
    assert find(tree.collect()).sentences[1] == (
        "Not above the majority label, of 4 distilled students: all on MRPC, 1 on QQP."
    )
