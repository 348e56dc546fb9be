"""The loopback hub as this process and those that it starts see it, with an empty cache."""

import pytest
from hub.loopback import Hub


@pytest.fixture(params=[False, True], ids=["http", "xet"])
def hub(request, tmp_path, monkeypatch):
    """A hub, by plain HTTP and by Xet."""
    served = started(monkeypatch, tmp_path, request.param)
    yield served
    served.close()


@pytest.fixture
def plain_hub(tmp_path, monkeypatch):
    """A hub by plain HTTP."""
    served = started(monkeypatch, tmp_path, xet=False)
    yield served
    served.close()


def started(monkeypatch, tmp_path, xet: bool) -> Hub:
    served = Hub(xet)
    for name, value in environment(served.url, tmp_path).items():
        monkeypatch.setenv(name, value)
    for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_TOKEN", "HF_HUB_DISABLE_XET", "HF_HUB_CACHE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hf/hub"))
    monkeypatch.setattr("minimoe.hub.transfer.PAUSE", 0.1)
    return served


def environment(url: str, folder) -> dict[str, str]:
    """Of processes: this hub, an empty cache, and no other host, as whatever is asked of one meets a closed port."""
    closed = "http://127.0.0.1:9"
    return {
        "HF_ENDPOINT": url,
        "HF_HOME": str(folder / "hf"),
        "HTTPS_PROXY": closed,
        "HTTP_PROXY": closed,
        "NO_PROXY": "127.0.0.1,localhost",
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        "HF_XET_CLIENT_RETRY_BASE_DELAY": "50ms",
    }
