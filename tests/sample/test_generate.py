"""The generator makes the shipped files, to the byte."""

import os
import subprocess
import sys

import pytest
from sample.official import ROOT


def shipped(folder) -> dict[str, bytes]:
    """Relative name → content of every generated file."""
    files = [p for name in ("wiki.xml.bz2", "glue", "conll2003") for p in [folder / name, *(folder / name).rglob("*")]]
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(files) if p.is_file()}


@pytest.mark.slow
def test_regenerating_gives_the_same_bytes(sample, tmp_path):
    for hash_seed in ("1", "2"):
        out = tmp_path / hash_seed
        environment = os.environ | {"PYTHONHASHSEED": hash_seed}
        command = [sys.executable, "-m", "data.sample.generate", out]
        subprocess.run(command, check=True, cwd=ROOT, env=environment)
        again = shipped(out)
        assert sorted(again) == sorted(shipped(sample))
        assert [name for name, content in shipped(sample).items() if again[name] != content] == []


def test_the_sample_is_small(sample):
    sizes = [len(content) for content in shipped(sample).values()]
    assert max(sizes) < 1_000_000
    assert sum(sizes) < 5_000_000
