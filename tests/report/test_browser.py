"""The page in a real browser, at the width of a screen and of a phone: scrolling, sorting, dark mode, texts of figures.

A wrapper shows the page in a frame of the width, lets the page's own buttons be clicked, and leaves what it saw in a
<pre>, which the browser prints. Without an installed Chromium these tests are skipped.
"""

import html
import json
import re

import pytest

from docs import browser
from minimoe.report.findings import find
from minimoe.report.page import page
from minimoe.report.provenance import Provenance

PROGRAM = browser.find()
pytestmark = pytest.mark.skipif(PROGRAM is None, reason=f"no browser: install one of {', '.join(browser.NAMES)}")
WRAPPER = """<!doctype html><meta charset="utf-8"><iframe id="frame" style="border: 0; width: %dpx; height: 900px"
srcdoc="%s"></iframe><pre id="seen"></pre><script>
onload = () => {
  const page = document.getElementById("frame").contentDocument, root = page.documentElement;
  const seen = { width: root.clientWidth, needed: root.scrollWidth };
  const label = svg => svg.closest("[role=img]")?.getAttribute("aria-label") || "";
  seen.figures = [...page.querySelectorAll("svg")].map(label);
  const button = column => page.querySelectorAll("#results thead tr:nth-child(2) th button")[column];
  const column = () => [...page.querySelectorAll("#results tbody tr:not(.group)")].slice(1)
    .map(row => row.cells[1].dataset.value).filter(value => value !== undefined).map(Number);
  seen.before = column(); button(1).click();
  seen.descending = column(); button(1).click();
  seen.ascending = column(); button(1).click();
  seen.after = column();
  const paper = () => page.defaultView.getComputedStyle(page.body).backgroundColor;
  const ink = () => page.defaultView.getComputedStyle(page.body).color;
  page.getElementById("theme").click(); seen.first = [paper(), ink()];
  page.getElementById("theme").click(); seen.second = [paper(), ink()];
  document.getElementById("seen").textContent = JSON.stringify(seen);
};
</script>"""


def look(folder, text: str, width: int) -> dict:
    """What is seen of a page that is so many pixels wide."""
    path = folder / "wrapper.html"
    path.write_text(WRAPPER % (width, html.escape(text, quote=True)), encoding="utf-8")
    dom = browser.run(PROGRAM, path.as_uri(), "--window-size=1500,1000", "--virtual-time-budget=5000", "--dump-dom")
    return json.loads(html.unescape(re.search(r'(?s)<pre id="seen">(.*?)</pre>', dom)[1]))


def check(seen: dict, width: int) -> None:
    assert seen["width"] == width and seen["needed"] <= width, "the page scrolls sideways"
    assert seen["figures"] and all(seen["figures"]), "a figure without a text"
    assert len(seen["before"]) > 3
    assert seen["descending"] == sorted(seen["before"], reverse=True), "not sorted"
    assert seen["ascending"] == sorted(seen["before"]) and seen["after"] == seen["before"], "not sorted back"
    dark, light = (
        [sum(map(int, re.findall(r"\d+", colour))) for colour in seen[which]] for which in ("first", "second")
    )
    assert dark[0] < dark[1] and light[0] > light[1], "dark mode does not change paper and ink"


@pytest.fixture(scope="module")
def text(every_kind) -> str:
    return page(every_kind, find(every_kind), Provenance())


@pytest.mark.slow
@pytest.mark.parametrize("width", [1400, 390])
def test_the_page_works(tmp_path, text, width):
    check(look(tmp_path, text, width), width)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("<main>", '<main><div style="width: 2000px">wide</div>', "scrolls sideways"),
        ("return sign *", "return 0 *", "not sorted"),
        ('root.dataset.theme = dark ? "light" : "dark";', "", "dark mode"),
        ('role="img" aria-label=', "data-none=", "without a text"),
    ],
)
def test_each_defect_is_seen(tmp_path, text, old, new, message):
    assert old in text
    with pytest.raises(AssertionError, match=message):
        check(look(tmp_path, text.replace(old, new), 390), 390)
