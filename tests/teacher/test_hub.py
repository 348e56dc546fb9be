"""Downloads from the hub are verified against the sums that name them in its cache."""

import hashlib

import pytest

from minimoe.errors import UserError
from minimoe.teacher.hub import download

CONTENT = {"model.safetensors": b"weights" * 99, "config.json": b"{}"}


@pytest.fixture
def cached(tmp_path, monkeypatch):
    """A model in the hub's cache: links to files named by SHA-256, or by git's SHA-1 where they are small."""
    (tmp_path / "blobs").mkdir()
    (tmp_path / "snapshot").mkdir()
    blobs = {}
    for name, content in CONTENT.items():
        git = hashlib.sha1(f"blob {len(content)}\0".encode() + content).hexdigest()
        blobs[name] = tmp_path / "blobs" / (git if name == "config.json" else hashlib.sha256(content).hexdigest())
        blobs[name].write_bytes(content)
        (tmp_path / "snapshot" / name).symlink_to(blobs[name])
    monkeypatch.setattr("huggingface_hub.snapshot_download", lambda *_, **__: str(tmp_path / "snapshot"))
    return blobs


def test_whole_files_are_taken(cached, tmp_path):
    assert download("some/model", "main", ["*"]) == tmp_path / "snapshot"


@pytest.mark.parametrize("name", CONTENT)
def test_a_file_of_another_sum_is_refused(cached, name):
    cached[name].write_bytes(b"other" + CONTENT[name])
    with pytest.raises(UserError, match=rf"{name}: its sum is .*; delete .* and run again"):
        download("some/model", "main", ["*"])


def test_a_file_shared_between_models_is_named_by_the_first_link(cached, tmp_path):
    own = cached["model.safetensors"]
    (tmp_path / "shared").mkdir()
    shared = own.rename(tmp_path / "shared" / ("9d" * 32))  # the name that Xet gives it
    own.symlink_to(shared)
    assert download("some/model", "main", ["*"])
    shared.write_bytes(b"other")
    with pytest.raises(UserError, match=f"delete {shared} and run again"):
        download("some/model", "main", ["*"])


def test_what_was_deleted_by_the_remedy_is_not_looked_at(cached):
    cached["model.safetensors"].unlink()
    assert download("some/model", "main", ["config.json"])
