"""The params.yaml of a profile: the sample's text, with the profile's values where the sample's stood."""

import shutil
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from minimoe.pipeline.profiles import whole

ROOT = Path(__file__).parents[2]
SAMPLE = (ROOT / "profiles/sample.yaml").read_text(encoding="utf-8")


@pytest.fixture
def folder(tmp_path):
    """A folder with the sample and room for another profile."""
    (tmp_path / "profiles").mkdir()
    shutil.copy(ROOT / "profiles/sample.yaml", tmp_path / "profiles")
    return tmp_path


def two(folder: Path, content: str) -> str:
    """The whole params of a profile of this content."""
    (folder / "profiles/two.yaml").write_text(content)
    return whole("two", folder)


def test_a_value_keeps_the_comment_of_its_key_in_its_column(folder):
    sample = SAMPLE.split("\n")
    own = two(folder, "corpus:\n  language: zh  # mine\n  records: {max_length: 12, heldout: 0.25}\n").split("\n")
    assert [(a, b) for a, b in zip(sample, own, strict=True) if a != b] == [
        (line, line.replace(old, new))
        for line in sample
        for old, new in (("language: en", "language: zh"), ("max_length: 48  ", "max_length: 12  "), ("0.1 ", "0.25"))
        if old in line and line.startswith(("  language", "    max_length", "    heldout"))
    ]


def test_a_long_value_moves_its_comment_and_a_short_one_brings_it_back(folder):
    own = two(folder, "corpus: {download: {path: some/quite/long/path/of/mine.bz2}}\n")
    assert "    path: some/quite/long/path/of/mine.bz2  # for local: the dump" in own
    own = two(folder, "corpus: {download: {path: mine}}\n")
    assert "    path: mine                  # for local: the dump" in own


def test_rounds_and_lists_are_replaced_whole(folder):
    rounds = "rounds:\n  mine:  # my own\n    teacher: models/teacher\n    students: {s: {layers: 1, hidden: 24}}\n"
    own = two(folder, f"{rounds}table:\n  models:\n    - teacher\n    - mine/s\nexport:\n  models: []\n")
    assert rounds in own
    values = YAML(typ="safe").load(own)
    assert list(values["rounds"]) == ["mine"] and values["table"]["models"] == ["teacher", "mine/s"]
    assert values["table"]["tasks"] == YAML(typ="safe").load(SAMPLE)["table"]["tasks"]
    assert "# A round: one teacher" in own and "# --- The tasks ---" in own and "# rows: teacher" in own


def test_a_block_takes_the_place_of_brackets_and_brackets_that_of_a_block(folder):
    further = "teachers:\n  a: {source: local, path: data, hub: a/b, revision: main}\n"
    own = two(folder, f"{further}table:\n  models: [teacher]\nexport:\n  models: []\n")
    assert further in own and "  models: [teacher]             # rows" in own and "    - teacher" not in own


def test_what_it_says_of_itself_is_what_the_profile_says(folder):
    own = two(folder, "# For those who open it.\n# This run: mine,\n# on my machine.\n\n# not this\nseed: 1\n")
    head = own.split("\n\n")[0]
    assert (
        head.endswith("# This run: mine,\n# on my machine.") and "shipped sample" not in own and "not this" not in own
    )


def test_a_profile_may_be_a_whole_file(folder):
    edited = SAMPLE.replace("seed: 776                       # for every", "seed: 1 # mine, for every")
    assert two(folder, edited) == edited
