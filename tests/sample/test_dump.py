"""The dump is real work for wikiextractor, and comes out as clean prose."""

import bz2
import re
from xml.etree import ElementTree

import pytest

NS = "{http://www.mediawiki.org/xml/export-0.11/}"


@pytest.fixture(scope="module")
def pages(sample):
    tree = ElementTree.fromstring(bz2.decompress((sample / "wiki.xml.bz2").read_bytes()))
    return list(tree.iter(f"{NS}page"))


def test_namespaces_redirects_and_revisions(pages):
    assert {int(page.findtext(f"{NS}ns")) for page in pages} >= {0, 1, 2, 3, 4, 6, 10, 14}
    redirects = [page for page in pages if page.find(f"{NS}redirect") is not None]
    titles = {page.findtext(f"{NS}title") for page in pages}
    assert redirects and {page.find(f"{NS}redirect").get("title") for page in redirects} <= titles
    assert len({page.findtext(f"{NS}id") for page in pages}) == len(pages) == len(titles)


@pytest.mark.parametrize(
    "mark", ["{{", "{|", "[[", "|", "<ref", "<!--", "'''", "==", "* ", "[[Category:", "{{Year|", "{{Infobox"]
)
def test_the_markup_has_it(pages, mark):
    assert any(mark in page.findtext(f"{NS}revision/{NS}text") for page in pages)


def test_extracted_text_is_prose(articles):
    assert len(articles) > 400
    text = "\n".join(articles.values())
    assert re.findall(r"[{}|\[\]<>=*#]|''|&\w+;", text) == []
    assert not re.search(r"\b(cite|category|infobox|private print)\b", text.lower())
    assert not any("#REDIRECT" in body for body in articles.values())


def test_templates_are_expanded(pages, articles):
    used = 0
    for page in pages:
        text = page.findtext(f"{NS}revision/{NS}text")
        for year in re.findall(r"\{\{Year\|(\d+)\}\}", text) if page.findtext(f"{NS}ns") == "0" else []:
            assert year in articles[page.findtext(f"{NS}title")]
            used += 1
    assert used > 50


def test_sentences_are_long_enough_to_be_kept(articles):
    sentences = [s for body in articles.values() for s in re.findall(r"[^.?\n]{20,}[.?]", body)]
    kept = [s for s in sentences if len(s.split()) > 7]
    assert len(kept) > 0.85 * len(sentences)
