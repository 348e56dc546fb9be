"""A corpus that is a data set of the hub: the files that a pattern matches, verified, of one commit."""

import pytest

from minimoe.corpus.data_set import download_data_set
from minimoe.corpus.extract import extract
from minimoe.system.errors import UserError
from tests.corpus.test_forms import table

NAME = "some/corpus"
FILES = {
    "simple/train-00000-of-00002.parquet": table(["one of it"]),
    "simple/train-00001-of-00002.parquet": table(["two of it"]),
    "german/train-00000-of-00001.parquet": table(["drei davon"]),
    "README.md": b"# A corpus\n",
}


@pytest.mark.slow
def test_files_are_those_of_the_pattern_whatever_else_the_cache_holds(hub, tmp_path):
    commit = hub.add("dataset", NAME, FILES)
    assert download_data_set(NAME, "main", "german/*", tmp_path / "other") == commit
    assert download_data_set(NAME, "main", "simple/*.parquet", tmp_path / "dump") == commit
    folder = tmp_path / "dump/some--corpus"
    found = {str(path.relative_to(folder)): path for path in folder.rglob("*") if path.is_file()}
    assert sorted(found) == sorted(name for name in FILES if name.startswith("simple"))
    assert all(path.read_bytes() == FILES[name] and not path.is_symlink() for name, path in found.items())
    assert not any("README" in path for _, path in hub.requests)
    settings = {"templates": False, "workers": 1, "field": "body"}
    assert extract(tmp_path / "dump", tmp_path / "extracted", "parquet", **settings) == 2


def test_a_pattern_that_no_file_matches_is_one_line(plain_hub, tmp_path):
    plain_hub.add("dataset", NAME, FILES)
    with pytest.raises(UserError, match=r"^corpus\.download\.files: .*some/corpus at main, got 'french/\*'$"):
        download_data_set(NAME, "main", "french/*", tmp_path / "dump")
    assert not (tmp_path / "dump").exists()


def test_a_flipped_bit_is_refused(plain_hub, tmp_path):
    plain_hub.add("dataset", NAME, FILES)
    plain_hub.flipped = {"simple/train-00001-of-00002.parquet"}
    with pytest.raises(UserError, match="its sum is"):
        download_data_set(NAME, "main", "simple/*", tmp_path / "dump")
    assert not (tmp_path / "dump").exists()


def test_what_is_not_there_is_one_line(plain_hub, tmp_path):
    with pytest.raises(UserError, match=r"^corpus\.download\.hub: 'some/corpus' at 'main' cannot be downloaded"):
        download_data_set(NAME, "main", "*", tmp_path / "dump")
