"""README shows the table of benchmarks/results.json, and no number beside it."""

import json
from pathlib import Path

from benchmarks.__main__ import RESULTS, markdown

README = Path(__file__).parents[2] / "README.md"


def test_readme_has_the_results_that_were_measured():
    assert markdown(json.loads(RESULTS.read_text())) in README.read_text(encoding="utf-8")
