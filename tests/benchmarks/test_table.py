"""docs/performance.md shows the table of benchmarks/results.json, and no number beside it."""

import json
import re
from pathlib import Path

import pytest

from benchmarks.__main__ import RESULTS, markdown
from benchmarks.load import __main__ as growth
from benchmarks.measure import Row, in_turn

PAGE = Path(__file__).parents[2] / "docs/performance.md"
NAMES = re.compile(r"(fp|bf)\d+|bert-\w+|`[^`]*`")  # words with digits that are no measurements
ROW = {"what": "w", "unit": "u/s", "against": "b", "date": "2026-01-31", "commit": "abc", "machine": "m"}


def prose(section: str) -> str:
    """The text of a section of docs/performance.md, without its tables and what stands above them."""
    body = PAGE.read_text(encoding="utf-8").split(f"## {section}\n")[1].split("\n## ")[0]
    lines = [line for line in body.splitlines() if not line.startswith(("|", "Measured on"))]
    return NAMES.sub("", "\n".join(lines))


def test_the_page_has_the_results_that_were_measured():
    assert markdown(json.loads(RESULTS.read_text())) in PAGE.read_text(encoding="utf-8")


def test_the_page_has_the_growth_that_was_measured():
    assert growth.markdown(json.loads(growth.RESULTS.read_text())) in PAGE.read_text(encoding="utf-8")


@pytest.mark.parametrize("section", ["Speed", "How it grows"])
def test_prose_has_no_number_that_is_in_no_results_file(section):
    assert re.findall(r"\d+|\b(?:half|third|quarter|fifth|tenth|twice)\b", prose(section)) == []


def test_every_row_says_when_where_and_of_which_commit():
    for rows in json.loads(RESULTS.read_text())["rows"].values():
        assert all(row["date"] and row["commit"] and row["machine"] for row in rows)


def test_a_ratio_is_ours_over_the_baseline_and_a_missed_goal_is_marked():
    rows = [ROW | {"ours": 30.0, "baseline": 10.0, "goal": 2.0}, ROW | {"ours": 5.0, "baseline": 10.0, "goal": 2.0}]
    table = markdown({"rows": {"step": rows}}).splitlines()
    assert table[0] == "Measured on m: 2026-01-31 (abc)."
    assert table[-2:] == ["| w | 30.0 u/s | b, 10.0 | 3.00 | 2.00 |", "| w | 5.0 u/s | b, 10.0 | 0.50 | 2.00, missed |"]


def test_rates_of_two_machines_are_told_apart():
    rows = [ROW | {"ours": 1.0, "baseline": 1.0, "goal": None, "machine": machine} for machine in ("one", "two")]
    one, two = markdown({"rows": {"step": rows}}).split("\n\nMeasured on two: ")
    assert (
        one.startswith("Measured on one: 2026-01-31 (abc).\n\n| what |")
        and one.count("| w |") == two.count("| w |") == 1
    )


def test_what_is_called_first_does_not_count_and_the_median_does(monkeypatch):
    clock, calls = [0.0], {"a": 0, "b": 0}
    monkeypatch.setattr("benchmarks.measure.time.perf_counter", lambda: clock[0])

    def work(name, *times):
        def call():
            clock[0] += times[calls[name]]
            calls[name] += 1

        return call

    assert in_turn(work("a", 99, 1, 3, 2), work("b", 99, 10, 30, 20), repeats=3) == (2, 20)
    assert Row("w", "u", ours=6.0, baseline=2.0, against="b").values()["ratio"] == 3.0
