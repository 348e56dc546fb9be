"""MLflow's pages as `python -m minimoe ui` serves them: for this machine, under this machine's names."""

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
import requests

from minimoe import __main__

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def port(tmp_path_factory):
    """The port of a server that runs; what the environment says of its checks does not switch them off."""
    folder = tmp_path_factory.mktemp("repository")
    (folder / "params.yaml").write_bytes((ROOT / "profiles/sample.yaml").read_bytes())
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    loose = {"MLFLOW_SERVER_DISABLE_SECURITY_MIDDLEWARE": "true", "MLFLOW_SERVER_ALLOWED_HOSTS": "*"}
    environment = os.environ | loose | {"PYTHONPATH": str(ROOT / "src"), "no_proxy": "127.0.0.1"}
    command = [sys.executable, "-m", "minimoe", "ui", "--port", str(port)]
    server = subprocess.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    for _ in range(600):
        time.sleep(0.1)
        with socket.socket() as tried:
            if not tried.connect_ex(("127.0.0.1", port)) or server.poll() is not None:
                break
    yield port
    for process in [*psutil.Process(server.pid).children(recursive=True), server]:
        process.kill()
    server.wait()


def status(port: int, host: str) -> int:
    return requests.get(f"http://127.0.0.1:{port}/", headers={"Host": host}, timeout=60).status_code


@pytest.mark.slow
def test_it_listens_on_this_machine_alone(port):
    found = [each for each in psutil.net_connections("tcp") if each.status == "LISTEN" and each.laddr.port == port]
    assert {each.laddr.ip for each in found} == {"127.0.0.1"}


@pytest.mark.slow
def test_it_answers_to_this_machines_names_alone(port):
    assert status(port, f"127.0.0.1:{port}") == status(port, f"localhost:{port}") == 200
    assert status(port, f"evil.example:{port}") == status(port, "evil.example") == 403


@pytest.mark.parametrize("number", ["0", "65536", "99999", "-1", "x", "5000.0", "٣"])
def test_a_port_that_is_none_is_one_line(number, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["minimoe", "ui", f"--port={number}"])
    with pytest.raises(SystemExit) as ended:
        __main__.main()
    assert ended.value.code == 2
    assert f"argument --port: expected a whole number from 1 to 65535, got '{number}'" in capsys.readouterr().err
