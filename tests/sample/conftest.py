"""The sample, and its corpus as wikiextractor reads it."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from sample.official import SAMPLE


@pytest.fixture(scope="session")
def sample() -> Path:
    """The folder in the repository."""
    return SAMPLE


@pytest.fixture(scope="session")
def articles(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Title → text of every article, as wikiextractor gives it."""
    out = tmp_path_factory.mktemp("extracted")
    tool = Path(sys.executable).with_name("wikiextractor")
    subprocess.run([tool, SAMPLE / "wiki.xml.bz2", "-o", out, "-q"], check=True, capture_output=True)
    text = "".join(path.read_text(encoding="utf-8") for path in sorted(out.glob("*/*")))
    return dict(re.findall(r'<doc [^>]*title="([^"]*)">\n(.*?)</doc>', text, re.DOTALL))
