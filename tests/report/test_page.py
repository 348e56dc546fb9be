"""The page: everything inside, nothing from outside, every number of the table in it."""

import re
from html.parser import HTMLParser

import pytest

from minimoe.report.drawing import slug
from minimoe.report.figures import front
from minimoe.report.findings import find
from minimoe.report.models import FAMILIES, KINDS
from minimoe.report.page import page

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
    return page(results, find(results))


@pytest.fixture(scope="session")
def long(every_kind) -> str:
    """The page of a table with every kind of model."""
    return page(every_kind, find(every_kind))


@pytest.mark.parametrize("name", ["html", "long"])
def test_tags_nest_and_ids_are_unique(request, name):
    ids = Page(request.getfixturevalue(name)).ids
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize("name", ["html", "long"])
def test_it_is_self_contained(request, name):
    html = request.getfixturevalue(name)
    loaded = [address for tag, address in Page(html).links if tag not in ("a", "use")]
    assert loaded == []
    assert "@import" not in html and not re.search(r"url\((?!#)", html)


@pytest.mark.parametrize("name", ["html", "long"])
def test_no_placeholder_colour_is_left(request, name):
    html = request.getfixturevalue(name)
    assert not re.search(r"#0[12]0[12]0\d", html)
    used, defined = set(re.findall(r"var\((--[\w-]+)\)", html)), set(re.findall(r"(--[\w-]+):", html))
    assert used <= defined
    assert {f"--{slug(family)}" for family in FAMILIES} <= defined


def test_a_short_table_is_flat_and_a_long_one_is_by_kind(html, long, every_kind):
    assert 'class="group"' not in html
    kinds = [model.kind for model in every_kind.models.values()]
    headings = re.findall(r'<tr class="group"><th colspan="(\d+)">([^<]+)</th>', long)
    assert [kind for _, kind in headings] == [kind for kind in KINDS if kind in kinds]
    assert {int(width) for width, _ in headings} == {1 + 1 + 12 + 6}


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


def test_light_and_dark_define_the_same_colours(html):
    blocks = re.findall(r":root[^{]*\{([^}]*--paper[^}]*)\}", html)
    assert len(blocks) == 3
    names = [set(re.findall(r"(--[\w-]+):", block)) for block in blocks]
    assert names[0] == names[1] == names[2]


def test_every_score_is_in_the_table(tree, html):
    cells = Page(html).cells
    assert {f"{mean:.1f}" for mean in tree.collect().scores["mean"]} <= set(cells)
    assert "0.2000" in cells and "28.0 M" in cells


def test_marks_have_titles(html):
    assert html.count('<g class="mark"><title>base/minimoe: ') == 2  # GLUE and CoNLL against compute
    assert "<title>minilm-ta: " in html  # a curve
    assert 'gid="mark' not in html and 'id="mark-' not in html


def test_expert_load_is_shown(html):
    assert [cell for cell in Page(html).cells if cell == "70"] == ["70"]
    assert "0.77" in Page(html).cells


def test_names_are_escaped(tree):
    results = tree.collect()
    findings = find(results)
    findings.sentences.append("A: <script>x</script>")
    assert "<script>x" not in page(results, findings)


def test_the_same_numbers_give_the_same_page(tree, html):
    assert page(tree.collect(), find(tree.collect())) == html


@pytest.mark.parametrize("models", [["teacher"], ["control/scratch"], ["base/minimoe"]])
def test_small_tables_have_a_page(tree, models):
    results = tree.collect(models=models, tasks=["sst2"])
    Page(page(results, find(results)))


def test_the_front_has_no_beaten_model():
    import pandas as pd

    macs = pd.Series({"a": 1, "b": 1, "c": 2, "d": 3})
    scores = pd.Series({"a": 5.0, "b": 6.0, "c": 6.0, "d": 7.0})
    assert front(macs, scores) == ["b", "d"]
