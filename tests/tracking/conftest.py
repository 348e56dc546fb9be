import pytest

from minimoe.tracking import trackers


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder of its own, and no waiting between two attempts."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(trackers, "RETRY_SECONDS", 0.0)
    monkeypatch.setattr(trackers.MlflowTracker, "retry_at", 0.0)
    return tmp_path
