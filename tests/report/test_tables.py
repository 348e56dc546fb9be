"""The tables: what is in the files, and the GLUE score only where it is known."""

import math
import re

import pandas as pd
import pytest
from report.conftest import TASKS

from minimoe.params.own_tasks import OwnTask
from minimoe.report.columns import GLUE
from minimoe.report.findings import find
from minimoe.report.page import page, write_report
from minimoe.report.provenance import Provenance
from minimoe.report.scores import best_at, big, glue_scores, headline, majority_glue, score
from minimoe.report.tables import markdown, terminal


def test_glue_is_the_mean_of_the_eight(tree):
    results = tree.collect()
    scores = results.scores[(results.scores.model == "base/minilm") & results.scores.task.isin(GLUE)]
    assert len(scores) == 8
    glue = glue_scores(results).loc["base/minilm"]
    assert glue["mean"] == pytest.approx(scores["mean"].sum() / 8)
    assert majority_glue(results) == 50


@pytest.mark.slow
def test_deviations_of_the_two_mnli_columns_add_as_they_score_the_same_runs(tree):
    assert glue_scores(tree.collect()).loc["base/minilm", "std"] == pytest.approx(0.5 * math.sqrt(6 + 2**2) / 8)
    tree.edit("metrics/finetune/base/minilm/mnli.json", lambda v: v["results"]["mnli-mm"].update(std=0.1))
    tree.edit("metrics/finetune/base/minilm/rte.json", lambda v: v["results"]["rte"].update(std=0.9))
    std = glue_scores(tree.collect()).loc["base/minilm", "std"]
    assert std == pytest.approx(math.sqrt(5 * 0.5**2 + 0.9**2 + (0.5 + 0.1) ** 2) / 8)


def test_the_best_at_a_budget_scores_higher_than_all_students_that_compute_less(tree):
    for model, macs in {"base/minilm": 9_000_001, "base/minimoe": 12_000_000, "base/assistant": 20_500_000}.items():
        tree.edit(f"metrics/cost/{model}.json", lambda values, macs=macs: values.update(macs_128=macs))
    results = tree.collect()
    scores, macs = headline(results)[1]["mean"], results.costs.iloc[:, 0]
    students = [model.name for model in results.models.values() if model.steps]
    found = best_at(results)
    assert found == {"10M-macs": "base/minilm", "12M-macs": "base/minimoe", "21M-macs": "base/assistant"}
    for name in found.values():
        assert all(scores[other] <= scores[name] for other in students if macs[other] <= macs[name])


def test_cola_wnli_and_conll_are_outside_the_score(tree):
    before = glue_scores(tree.collect())
    for task in ("cola", "wnli", "conll2003"):
        tree.edit(f"metrics/finetune/teacher/{task}.json", lambda v, t=task: v["results"][t].update(mean=1.0))
    pd.testing.assert_frame_equal(glue_scores(tree.collect()), before)


@pytest.mark.slow
def test_without_one_of_the_eight_the_mean_of_what_was_finetuned_is_in_place_of_glue(tree):
    results = tree.collect(tasks=[task for task in tree.tasks if task != "rte"])
    assert glue_scores(results).isna().all(axis=None) and majority_glue(results) is None
    text = terminal(results, find(results))
    rows = [line.split() for line in text.splitlines()]
    header, teacher = rows[0], next(row for row in rows if row and row[0] == "teacher")
    assert header[:3] == ["model", "mean", "sst2"]
    finetuned = results.scores[(results.scores.model == "teacher") & (results.scores.task != "stsb_cosine")]
    mean, first, plus_minus, deviation = teacher[1:5]  # the mean has no deviation
    assert mean == f"{finetuned['mean'].mean():.1f}"
    assert (first, plus_minus, deviation) == (f"{results.scores['mean'][0]:.1f}", "±", "0.5")
    html = page(results, find(results), Provenance())
    assert f"mean of {len(finetuned)}</small>" in html and "the finetuned columns; where GLUE" in html
    assert "nan" not in text + markdown(results, find(results))


def test_glue_has_no_deviation_where_a_task_ran_once(tree):
    tree.edit("metrics/finetune/teacher/rte.json", lambda v: v["results"]["rte"].update(runs=1, std=0.0))
    std = glue_scores(tree.collect())["std"]
    assert math.isnan(std["teacher"]) and not math.isnan(std["base/minilm"])


@pytest.mark.slow
def test_csv_files_have_the_documented_columns(tree):
    write_report(tree.collect(), tree.root / "reports", Provenance())
    scores = pd.read_csv(tree.root / "reports/results.csv")
    models = pd.read_csv(tree.root / "reports/models.csv")
    assert list(scores) == ["model", "task", "metric", "mean", "std", "runs", "learning_rate"]
    assert len(scores) == len(tree.models) * (len(tree.tasks) + 2)
    assert list(models) == [
        "model", "kind", "round", "taught_by", "shape", "heldout_loss", "macs_128", "params_total", "params_active",
        "latency_ms_b1", "latency_ms_b32",
    ]  # fmt: skip
    assert list(models.model) == tree.models
    teacher = models.iloc[0]
    assert pd.isna(teacher["round"]) and pd.isna(teacher.heldout_loss)
    assert tuple(models.iloc[2][:6]) == ("base/minimoe", "MiniMoE", "base", "teacher", "2L-96H, experts 1,4", 0.2)


def test_markdown_has_a_row_a_model_and_the_published_numbers_apart(tree):
    text = markdown(tree.collect(), find(tree.collect()))
    measured, _, published = text.partition("## Published")
    for model in ["majority label", *tree.models]:
        assert f"| {model} " in measured
    assert re.search(r"\| assisted/minilm-ta +\| MiniLM with assistant +\|", measured)
    assert "86.7" not in measured and "86.7" in published and "arxiv.org" in published


def test_scores_show_a_deviation_only_over_several_runs():
    assert score(81.26, 0.44, 3) == "81.3 ± 0.4"
    assert score(81.26, 0.0, 1) == "81.3"
    assert score(None) == score(float("nan")) == ""


@pytest.mark.parametrize(
    ("number", "text"), [(10.9e9, "10.9 G"), (604_800, "605 k"), (999_999, "1.00 M"), (17e6, "17.0 M"), (12, "12")]
)
def test_counts_have_three_digits(number, text):
    assert big(number) == text


def test_nothing_is_left_when_writing_fails(tree, monkeypatch):
    def fail(*_):
        raise RuntimeError

    monkeypatch.setattr("minimoe.report.page.page", fail)
    with pytest.raises(RuntimeError):
        write_report(tree.collect(), tree.root / "reports", Provenance())
    assert not [path.name for path in tree.root.iterdir() if "reports" in path.name]


def test_scores_are_those_of_their_results_however_often_they_are_asked_for(tree):
    first = tree.collect()
    before = glue_scores(first).copy()
    tree.edit("metrics/finetune/teacher/rte.json", lambda v: v["results"]["rte"].update(mean=1.0))
    second = tree.collect()
    for _ in range(2):
        assert glue_scores(second).loc["teacher", "mean"] < before.loc["teacher", "mean"]
        pd.testing.assert_frame_equal(glue_scores(first), before)


@pytest.mark.slow
def test_tables_are_the_same_at_every_run_and_the_page_alone_says_which(tree):
    for name in ("one", "two"):
        write_report(tree.collect(), tree.root / name, Provenance(f"2026-01-0{len(name)}", name))
    differing = [
        p.name for p in (tree.root / "one").iterdir() if p.read_bytes() != (tree.root / "two" / p.name).read_bytes()
    ]
    assert differing == ["index.html"]


@pytest.mark.slow
@pytest.mark.parametrize("write", [markdown, lambda *what: page(*what, Provenance())])
def test_captions_say_what_dev_scores_chose(tree, write):
    text = write(tree.collect(), find(tree.collect()))
    assert "Dev scores chose the epoch of every run and the learning rate of every model and task" in text


@pytest.mark.slow
def test_comparisons_and_headlines_leave_out_what_is_not_finetuned(tree):
    whole, without = tree.collect(), tree.collect(tasks=tuple(TASKS[:-1]))
    assert TASKS[-1] == "stsb_cosine" and "STS-B cosine" in markdown(whole, find(whole))
    assert find(whole).comparisons == find(without).comparisons
    assert find(whole).sentences == find(without).sentences
    assert headline(tree.collect(tasks=("rte", "stsb_cosine")))[0] == "RTE"
    (label, _), alone = headline(tree.collect(tasks=("stsb_cosine",))), tree.collect(tasks=("stsb_cosine",))
    assert (label, alone.seeds) == ("STS-B cosine", [])


OWN = {  # tasks without finetuning
    name: OwnTask.model_validate(
        {
            "path": "own",
            "kind": "similarity",
            "dev": "dev.csv",
            "text": "a",
            "pair": "b",
            "label": "c",
            "bounds": [0, 5],
        }
    ).row(name)
    for name in ("pairs", "more")
}


def described(tree, *tasks: str) -> tuple[str, str, str]:
    """The page, the Markdown and the last sentence of a table of these tasks."""
    for model in tree.models:
        for task in OWN:
            result = {"metric": "accuracy", "mean": 60.0, "std": 0.0, "runs": 1, "majority": 0.0}
            tree.write(f"metrics/finetune/{model}/{task}.json", {"results": {task: result}})
    results = tree.collect(tasks=tasks, own=OWN)
    findings = find(results)
    return page(results, findings, Provenance()), markdown(results, findings), findings.sentences[-1]


@pytest.mark.slow
def test_words_about_tasks_without_finetuning_name_their_columns(tree):
    for text in described(tree, "rte", "pairs", "more")[:2]:
        assert "pairs and more are of the models as they are, without finetuning: the correlation" in text
        assert "they are compared by them in a table of its own." in text and "STS-B cosine" not in text
    for text in described(tree, "rte", "stsb_cosine")[:2]:
        assert "STS-B cosine is of the models as they are, without finetuning" in text
        assert "they are compared by it in a table of its own." in text and "pairs is" not in text
    for text in described(tree, "rte")[:2]:
        assert "without finetuning" not in text and "The mean is that of the finetuned columns" in text


def test_a_table_without_finetuning_says_nothing_of_it(tree):
    html, text, last = described(tree, "stsb_cosine", "pairs")
    for words in (html, text):
        assert "STS-B cosine and pairs are of the models as they are, without finetuning" in words
        assert "they are compared by" not in words and "The mean is that of all columns." in words
        for wrong in ("finetuned columns", "Dev scores chose", "deviation over seeds"):
            assert wrong not in words
    assert last.startswith("Intervals: over other examples, for each pair by itself;")
