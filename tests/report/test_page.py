"""The page: everything inside, nothing from outside, every number of the table in it."""

import re
from dataclasses import replace
from html.parser import HTMLParser

import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from minimoe.params.resolve import resolve
from minimoe.pipeline.profiles import load_profile
from minimoe.report import figures
from minimoe.report.cells import cost_cells, score_cells
from minimoe.report.drawing import slug, to_svg
from minimoe.report.figures import front, levels
from minimoe.report.findings import find
from minimoe.report.models import FAMILIES, KINDS
from minimoe.report.page import page
from minimoe.report.pairs import pairs
from minimoe.report.provenance import Provenance, provenance
from minimoe.report.questions import EXPERTS
from minimoe.report.scores import glue_scores, headline

MADE = Provenance("2026-01-31", "abc1234567", ("corpus", "glue"))
VOID = {"meta", "br", "wbr", "link", "img"}


class Page(HTMLParser):
    """Checks that tags nest; keeps ids, addresses, titles and table cells."""

    def __init__(self, html: str):
        super().__init__()
        self.open, self.ids, self.links, self.cells, self.rows = [], [], [], [], 0
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.ids += [attrs["id"]] if "id" in attrs else []
        self.links += [(tag, attrs[key]) for key in ("src", "href") if key in attrs]
        self.rows += tag == "tr"
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] == "td" and data.strip():
            self.cells.append(data.strip())


@pytest.fixture
def html(tree) -> str:
    results = tree.collect()
    return page(results, find(results), MADE)


@pytest.fixture(scope="session")
def long(every_kind) -> str:
    """The page of a table with every kind of model."""
    return page(every_kind, find(every_kind), MADE)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["html", "long"])
def test_tags_nest_and_ids_are_unique(request, name):
    ids = Page(request.getfixturevalue(name)).ids
    assert len(ids) == len(set(ids))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["html", "long"])
def test_it_is_self_contained(request, name):
    html = request.getfixturevalue(name)
    loaded = [address for tag, address in Page(html).links if tag not in ("a", "use")]
    assert loaded == []
    assert "@import" not in html and not re.search(r"url\((?!#)", html)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["html", "long"])
def test_no_placeholder_colour_is_left(request, name):
    html = request.getfixturevalue(name)
    assert not re.search(r"#0[12]0[12]0\d", html)
    used, defined = set(re.findall(r"var\((--[\w-]+)\)", html)), set(re.findall(r"(--[\w-]+):", html))
    assert used <= defined
    assert {f"--{slug(family)}" for family in FAMILIES} <= defined


@pytest.mark.slow
def test_a_short_table_is_flat_and_a_long_one_is_by_kind(html, long, every_kind):
    assert 'class="group"' not in html
    kinds = [model.kind for model in every_kind.models.values()]
    headings = re.findall(r'<tr class="group"><th colspan="(\d+)">([^<]+)</th>', long)
    assert [kind for _, kind in headings] == [kind for kind in KINDS if kind in kinds]
    assert {int(width) for width, _ in headings} == {1 + 1 + 13 + 6}


def test_every_kind_is_in_the_legend_assistants_students_with_a_ring(long):
    legend = re.search(r'<ul class="legend".*?</ul>', long, re.DOTALL)[0]
    dot = r'<span class="dot{}" style="--c:var\(--sparse-minilm\)"></span>{}'
    assert re.search(dot.format("", "Sparse MiniLM<"), legend)
    assert re.search(dot.format(" ring", "Sparse MiniLM with assistant<"), legend)


def test_a_chosen_sparsity_stands_beside_its_model(long):
    assert re.search(r"disc/<wbr>assistant<small>70 %</small>", long)


def test_ablations_are_on_the_page(long):
    for title in ("The curse of the capacity gap", "Number of experts", "Load balance", "The assistant&#39;s choice"):
        assert f"<h2>{title}</h2>" in long
    figure = long.index('aria-label="Score and held-out loss over the number of experts')
    assert "<title>experts/minimoe-1x2: " in long[figure:]


def test_cells_of_small_tables_say_their_header_where_it_is_hidden(long):
    """On a narrow page a row is a block of labelled numbers, so nothing scrolls sideways."""
    tables = re.findall(r'<div class="beside">\s*<table>(.*?)</table>', long, re.DOTALL)
    assert len(tables) > 3
    for table in tables:
        headers = re.findall(r'<th scope="col"[^>]*>([^<]*)</th>', table)
        for row in re.findall(r'<tr><th scope="row".*?</tr>', table):
            assert re.findall(r'data-label="([^"]*)"', row) == headers


@pytest.mark.slow
def test_light_and_dark_define_the_same_colours(html):
    blocks = re.findall(r":root[^{]*\{([^}]*--paper[^}]*)\}", html)
    assert len(blocks) == 3
    names = [set(re.findall(r"(--[\w-]+):", block)) for block in blocks]
    assert names[0] == names[1] == names[2]


@pytest.mark.slow
def test_every_score_is_in_the_table(tree, html):
    cells = Page(html).cells
    assert {f"{mean:.1f}" for mean in tree.collect().scores["mean"]} <= set(cells)
    assert "0.2000" in cells and "28.0 M" in cells


@pytest.mark.slow
def test_marks_have_titles(html):
    assert html.count('<g class="mark"><title>base/minimoe: ') == 2  # GLUE and CoNLL against compute
    assert "<title>minilm-ta: " in html  # a curve
    assert 'gid="mark' not in html and 'id="mark-' not in html


@pytest.mark.slow
def test_expert_load_is_shown(html):
    assert [cell for cell in Page(html).cells if cell == "70"] == ["70"]
    assert "0.77" in Page(html).cells


@pytest.mark.slow
def test_names_are_escaped(tree):
    results = tree.collect()
    findings = find(results)
    findings.sentences.append("A: <script>x</script>")
    assert "<script>x" not in page(results, findings, MADE)


def test_titles_in_figures_are_escaped():
    figure = Figure()
    figure.add_subplot().plot(1, 1, "o", gid="mark-0")
    assert "<title>a &lt;b&gt; &amp; c</title>" in to_svg(figure, "escaped", ["a <b> & c"])


def tiles(html) -> list[str]:
    return re.findall(r'<div class="tile"><span>([^<]*)</span><b>([^<]*)</b><span>([^<]*)</span>', html)


@pytest.mark.slow
def test_tiles_show_the_highest_student_and_what_it_keeps(tree, html):
    scores = glue_scores(tree.collect())["mean"]
    teacher, best = scores["teacher"], scores["base/assistant"]
    assert best == scores.drop("teacher").max()
    assert tiles(html) == [
        ("Teacher, GLUE score", f"{teacher:.1f}", ""),
        ("Highest student, GLUE score", f"{best:.1f}", "base/assistant; told apart from all 3 others"),
        (
            "It keeps",
            f"{100 * best / teacher:.0f} %",
            "of its teacher&#39;s GLUE score; of what is above the majority label "
            f"{100 * (best - 50) / (teacher - 50):.0f} %",
        ),
        ("It computes", "7.1 × less", "multiply-adds of one sequence"),
    ]


@pytest.mark.slow
def test_the_tile_says_who_is_not_told_apart_from_the_highest(tree):
    def as_good(model):
        for place, task in enumerate(tree.tasks):  # by other tasks
            change = lambda v, place=place: [r.update(mean=75 + 3 * (-1) ** place) for r in v["results"].values()]  # noqa: E731
            tree.edit(f"metrics/finetune/{model}/{task}.json", change)

    def said(*models):
        few = tree.collect(models=["teacher", "base/assistant", *models])
        return tiles(page(few, find(few), MADE))[1][2]

    as_good("base/minilm")
    remark = tiles(page(tree.collect(), find(tree.collect()), MADE))[1][2]
    assert remark.endswith("; not told apart from 1 of the 3 others")
    assert said("base/minilm").endswith("; not told apart from base/minilm")
    assert said("base/minimoe").endswith("; told apart from base/minimoe")
    assert said("base/minimoe", "assisted/minilm-ta").endswith("; told apart from all 2 others")
    as_good("assisted/minilm-ta")
    assert said("base/minilm", "assisted/minilm-ta").endswith("; not told apart from any of the 2 others")


@pytest.mark.slow
@pytest.mark.parametrize(("mean", "keeps"), [(0.0, False), (-3.0, False), (1.0, True)])
def test_nothing_is_kept_of_a_score_that_is_not_above_zero(tree, mean, keeps):
    results = tree.collect(tasks=["cola"])
    scores = results.scores.assign(mean=results.scores["mean"].mask(results.scores.model == "teacher", mean))
    results = replace(results, scores=scores)
    shown = [what for what, *_ in tiles(page(results, find(results), MADE))]
    assert ("It keeps" in shown) is keeps and "It computes" in shown


def best_of(results, column: str) -> list[str]:
    place = 1 + [c.key for c in results.columns].index(column)
    return [name for name, cells in score_cells(results).items() if cells[place].best]


@pytest.mark.slow
def test_nobody_is_best_at_the_majority_label(tree):
    models = [name for name in tree.models if name != "teacher"]
    assert best_of(tree.collect(), "mrpc") == ["base/assistant"]
    for name in models:
        tree.edit(f"metrics/finetune/{name}/mrpc.json", lambda v: v["results"]["mrpc"].update(mean=50.0))
    assert best_of(tree.collect(), "mrpc") == []
    tree.edit("metrics/finetune/base/minilm/mrpc.json", lambda v: v["results"]["mrpc"].update(mean=50.1))
    assert best_of(tree.collect(), "mrpc") == ["base/minilm"]


@pytest.mark.slow
def test_bars_run_from_the_majority_label_to_the_best(tree):
    for name, mean in (("teacher", 90.0), ("base/minilm", 60.0), ("base/minimoe", 50.0), ("control/scratch", 40.0)):
        tree.edit(f"metrics/finetune/{name}/sst2.json", lambda v, m=mean: v["results"]["sst2"].update(mean=m))
    results = tree.collect()
    bars = {name: cells[1].bar for name, cells in score_cells(results).items()}
    assert (bars["teacher"], bars["base/minilm"], bars["base/minimoe"], bars["control/scratch"]) == (100, 25, 0, 0)
    tree.edit("metrics/cost/teacher.json", lambda v: v.update(latency_ms_b1=10.0))
    costs = cost_cells(tree.collect())
    assert [cell.bar for cell in costs["base/minilm"]][-2] == 25 and costs["base/minilm"][1].bar == 14
    assert 'style="--w:25.0%"' in page(results, find(results), MADE)


@pytest.mark.slow
def test_it_says_where_it_comes_from(html, tree):
    assert "Made on 2026-01-31 from commit abc1234567." in html
    assert "distilled once and finetuned with seeds 1, 2, 3. Latency measured on a computer, 2 cores." in html
    assert "<b>Invented data.</b> corpus, glue: the shipped sample" in html
    plain = page(tree.collect(), find(tree.collect()), Provenance())
    assert "Made on" not in plain and "Invented" not in plain


def test_the_sample_is_known_as_invented():
    sample, paper = (resolve(load_profile(name, "."))["report"]["inputs"] for name in ("sample", "paper_base"))
    assert provenance(sample).invented == ("corpus", "glue", "conll2003")
    assert provenance(paper).invented == ()


@pytest.mark.slow
def test_every_number_has_its_label_where_the_table_is_stacked(html):
    labels = re.findall(r'<td data-label="([^"]*)"', html)
    assert {"GLUE score", "CoNLL-2003 test", "latency ms batch 1", "latency ms batch 32"} <= set(labels)


def test_models_of_ambiguous_short_names_have_their_full_ones(tree):
    names = ["teacher", "a/minilm-2L", "b/2L", "c/tiny", "d/tiny"]
    assert list(figures._names(names).values()) == ["teacher", "minilm-2L", "b/2L", "c/tiny", "d/tiny"]


def test_points_of_equal_multiply_adds_are_drawn_side_by_side():
    macs = pd.Series({"a": 10.0, "b": 10.1, "c": 40.0, "d": 10.0})
    drawn = figures.side_by_side(macs)
    assert drawn["c"] == 40 and drawn["a"] < drawn["d"] < drawn["b"]
    assert list(drawn.index) == list(macs.index)
    assert max(abs(drawn / macs - 1)) < 0.05


def test_all_differences_have_one_scale(every_kind):
    low, high = figures.scale_of(find(every_kind).comparisons)
    assert all(low < end < high for c in find(every_kind).comparisons for end in (c.low, c.mean, c.high, 0))


@pytest.mark.slow
def test_the_same_numbers_give_the_same_page(tree, html):
    assert page(tree.collect(), find(tree.collect()), MADE) == html


@pytest.mark.parametrize("models", [["teacher"], ["control/scratch"], ["base/minimoe"]])
def test_small_tables_have_a_page(tree, models):
    results = tree.collect(models=models, tasks=["sst2"])
    Page(page(results, find(results), MADE))


def test_the_front_has_no_model_that_is_beaten_at_nearly_the_same_compute():
    macs, scores = pd.Series({"a": 1e6, "b": 1.0001e6, "c": 2e6}), pd.Series({"a": 1.0, "b": 3.0, "c": 4.0})
    assert front(macs, scores) == ["a", "b", "c"]
    assert front(levels(macs), scores) == ["b", "c"]
    assert levels(macs)["a"] == levels(macs)["b"] != levels(macs)["c"] == 2e6


def test_the_front_has_no_beaten_model():
    macs = pd.Series({"a": 1, "b": 1, "c": 2, "d": 3})
    scores = pd.Series({"a": 5.0, "b": 6.0, "c": 6.0, "d": 7.0})
    assert front(macs, scores) == ["b", "d"]


@pytest.mark.slow
def test_a_broken_line_is_a_student_that_had_an_assistant(every_kind):
    drawn = {name: m for name, m in every_kind.models.items() if m.steps}
    seen = set()
    for model in drawn.values():
        if svg := figures.curves_figure(every_kind, [model]):
            seen.add(model.assisted)
            assert ("stroke-dasharray" in svg) is model.assisted, model.name
    assert seen == {True, False}


def test_models_of_equal_compute_have_one_mark_on_the_axis(tree):
    for model in tree.models:
        tree.edit(f"metrics/cost/{model}.json", lambda values: values.update(macs_128=170_000_000))
    results = tree.collect()
    label, table = headline(results)
    assert figures.compute_figure(results, table["mean"], label, []).count(">170 M</text>") == 1


def test_a_line_joins_the_scores_of_experts_and_of_their_dense_twin(every_kind, monkeypatch):
    lines, plot = [], Axes.plot

    def watched(self, x, y, **style):
        if style.get("zorder") == 1:
            lines.append(list(y))
        return plot(self, x, y, **style)

    monkeypatch.setattr(Axes, "plot", watched)
    label, table = headline(every_kind)
    joined = [pair for pair in pairs(every_kind) if pair.question.startswith(EXPERTS)]
    figures.compute_figure(every_kind, table["mean"], label, joined)
    assert joined and lines == [[table["mean"][pair.first], table["mean"][pair.second]] for pair in joined]
