"""Every key of params.yaml with wrong values, and whole files that are none: each is one line that names the place."""

import re

import pytest
from bad.values import DISAGREE, EVERY_KEY, FILES, NAMES
from bad.world import GONE, SAMPLE, dumped, edited, run


def refusal(content: bytes, root) -> str:
    """The line with which a stage ends on a params.yaml of this content."""
    (root / "params.yaml").write_bytes(content)
    code, out, errors = run("names", root)
    assert code == 1 and not out
    assert errors.startswith("error: params.yaml: ") and len(errors.splitlines()) == 1
    assert [path.name for path in root.iterdir()] == ["params.yaml"]
    return errors


def edit(edits: dict) -> bytes:
    return dumped(edited(edits, SAMPLE)).encode()


@pytest.mark.parametrize(("key", "value", "place"), EVERY_KEY, ids=lambda part: "gone" if part is GONE else None)
def test_a_key_with_a_wrong_value(tmp_path, key, value, place):
    line = refusal(edit({key: value}), tmp_path)
    assert re.search(rf"[ ;]{re.escape(place)}", line)
    assert any(word in line for word in ("expected", "missing", "unknown key"))


@pytest.mark.parametrize(("edits", "place"), NAMES)
def test_a_name_that_would_leave_its_folder_or_command(tmp_path, edits, place):
    line = refusal(edit(edits), tmp_path)
    assert f" {place}" in line and ": expected " in line


@pytest.mark.parametrize(("edits", "message"), DISAGREE)
def test_values_that_disagree(tmp_path, edits, message):
    assert message in refusal(edit(edits), tmp_path)


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_is_none(tmp_path, name):
    content, message = FILES[name]
    assert re.search(message, refusal(content, tmp_path))
