"""What the report says about differences, and that it does not say more than the numbers do."""

import pytest

from minimoe.report.comparisons import Pair, compare
from minimoe.report.findings import find


def one(results, first="base/minimoe", second="base/minilm", *others: Pair):
    return compare(results, [Pair(first=first, second=second), *others])[0]


def test_columns_of_one_task_count_once(tree):
    for name, matched, mismatched, rte in (("minimoe", 52.0, 54.0, 51.0), ("minilm", 50.0, 50.0, 50.0)):
        tree.edit(f"metrics/finetune/base/{name}/mnli.json", lambda v, m=matched, mm=mismatched: (
            v["results"]["mnli"].update(mean=m), v["results"]["mnli-mm"].update(mean=mm)))  # fmt: skip
        tree.edit(f"metrics/finetune/base/{name}/rte.json", lambda v, m=rte: v["results"]["rte"].update(mean=m))
    found = one(tree.collect(tasks=["mnli", "rte"]))
    assert {task: own.mean for task, own in found.by_task.items()} == pytest.approx({"mnli": 3.0, "rte": 1.0})
    assert found.mean == pytest.approx(2.0) and found.above == 2
    # 20, 40 and 10 of 1000 examples are answered rightly by one alone
    error = (((0.02 * 0.98 + 0.04 * 0.96) / 4 + 0.01 * 0.99) / 4 / 1000) ** 0.5 * 100
    assert found.high - found.low == pytest.approx(2 * 1.96 * error, rel=0.2)
    assert found.low < found.mean < found.high


@pytest.mark.parametrize(
    ("difference", "verdict"),
    [(2.0, "higher"), (-2.0, "lower"), (0.1, "not told apart from noise"), (0.0, "not told apart from noise")],
)
def test_verdicts(tree, difference, verdict):
    for name, mean in (("minimoe", 60 + difference), ("minilm", 60.0)):
        tree.edit(f"metrics/finetune/base/{name}/rte.json", lambda v, m=mean: v["results"]["rte"].update(mean=m))
    assert one(tree.collect(tasks=["rte"])).verdict == verdict


def test_more_comparisons_need_more_evidence(tree):
    for name, mean in (("minimoe", 60.5), ("minilm", 60.0)):
        tree.edit(f"metrics/finetune/base/{name}/rte.json", lambda v, m=mean: v["results"]["rte"].update(mean=m))
    others = {"teacher": 70.1, "base/assistant": 70.0, "assisted/minilm-ta": 80.1, "control/scratch": 80.0}
    for name, mean in others.items():
        tree.edit(f"metrics/finetune/{name}/rte.json", lambda v, m=mean: v["results"]["rte"].update(mean=m))
    results = tree.collect(tasks=["rte"])
    more = [Pair(first=one, second=other) for one, other in zip(list(others)[::2], list(others)[1::2], strict=True)]
    alone, among = one(results), one(results, "base/minimoe", "base/minilm", *more)
    assert alone.p < among.p and (alone.low, alone.high) == (among.low, among.high)


@pytest.mark.slow
def test_the_last_sentence_says_what_intervals_hold(tree):
    last = find(tree.collect()).sentences[-1]
    assert "corrected for all 3 comparisons" in last and "distilled once" in last and "other seeds" in last
    for file in (tree.root / "metrics/finetune").rglob("*.json"):
        tree.edit(file, lambda v: v.update(runs=v.get("runs", [])[:1]))
    assert "there is one seed, whose luck is not in them" in find(tree.collect()).sentences[-1]


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
    summed_up = "Experts at equal compute, and with them an extra projection: of 1 pairs"
    assert any(s.startswith(summed_up) for s in sentences)


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
