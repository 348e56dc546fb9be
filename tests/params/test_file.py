"""Files that are no params, none, and params once they are read."""

from pathlib import Path

import pytest

from minimoe.params import load
from minimoe.system.errors import UserError

SAMPLE = Path(__file__).parents[2] / "profiles/sample.yaml"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"a: [1", "not valid YAML"),
        (b"\xff\xfe\x00", "not valid YAML"),
        (b"seed: 1\nseed: 2\n", "not valid YAML: .*duplicate key"),
        (b"- 1\n", "expected sections such as 'corpus:', got list"),
        (b"", "expected sections such as 'corpus:', got NoneType"),
    ],
)
def test_not_a_params_file(tmp_path, content, message):
    (tmp_path / "p.yaml").write_bytes(content)
    with pytest.raises(UserError, match=message):
        load(tmp_path / "p.yaml")


def test_no_file(tmp_path):
    with pytest.raises(UserError, match=r"none\.yaml: no such file; `minimoe profile sample` writes one"):
        load(tmp_path / "none.yaml")


def test_params_cannot_be_changed():
    params = load(SAMPLE)
    with pytest.raises(ValueError, match="frozen"):
        params.seed = 1
