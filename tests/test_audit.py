"""make audit against a package index on the loopback: what it finds, and what it does not take for an answer."""

import json
import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
CVE = {"id": "PYSEC-1", "fixed_in": ["1.1"], "summary": "It runs\nwhat it reads.", "withdrawn": None}
SAFE = {"info": {}, "vulnerabilities": []}


@pytest.fixture
def index():
    """An index of releases: path → what it answers; the paths asked for stand in `asked`."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            server.asked.append(self.path)
            found = server.releases.get(self.path)
            self.send_response(200 if found is not None else 404)
            self.end_headers()
            self.wfile.write(b"" if found is None else json.dumps(found).encode())

        def log_message(self, *args):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.releases, server.asked = {"/pypi/a/1.0/json": SAFE, "/pypi/b-c/2.0/json": SAFE}, []
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def audit(folder: Path, address: str, pins: str = "# pinned\na==1.0\nb-c==2.0+cpu\n") -> tuple[int, str, str]:
    (folder / "constraints.txt").write_text(pins)
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src"), "no_proxy": "127.0.0.1"}
    command = [sys.executable, str(ROOT / ".ci/audit.py"), "--index", address]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    return done.returncode, done.stdout, done.stderr


def address(index) -> str:
    return f"http://127.0.0.1:{index.server_address[1]}"


def test_nothing_known_is_said(tmp_path, index):
    code, out, errors = audit(tmp_path, address(index))
    assert (code, errors) == (0, "") and "no known vulnerability in 2 releases" in out
    assert sorted(index.asked) == sorted(index.releases)


def test_a_vulnerability_is_named_with_its_remedy(tmp_path, index):
    gone = CVE | {"id": "PYSEC-2", "withdrawn": "2024-01-01"}
    unfixed = CVE | {"id": "PYSEC-3", "fixed_in": []}
    index.releases["/pypi/b-c/2.0/json"] = {"vulnerabilities": [CVE, gone, unfixed]}
    code, out, errors = audit(tmp_path, address(index))
    assert out.splitlines() == [
        "b-c 2.0: PYSEC-1, fixed in 1.1: It runs what it reads.",
        "b-c 2.0: PYSEC-3, no release has it fixed: It runs what it reads.",
    ]
    assert code == 1 and errors == "error: constraints.txt: 2 known vulnerabilities; pin fixed releases\n"


@pytest.mark.parametrize("answer", [None, {"info": {}}, [], {"vulnerabilities": [3]}, {"vulnerabilities": None}])
def test_silence_is_not_safety(tmp_path, index, answer):
    index.releases["/pypi/b-c/2.0/json"] = answer
    code, _, errors = audit(tmp_path, address(index))
    assert code == 1 and len(errors.splitlines()) == 1 and "/pypi/b-c/2.0/json: " in errors


def test_an_index_out_of_reach_is_one_line(tmp_path):
    code, out, errors = audit(tmp_path, "http://127.0.0.1:9")
    assert (code, out) == (1, "") and len(errors.splitlines()) == 1
    assert "http://127.0.0.1:9 cannot be reached" in errors


def test_a_file_without_pins(tmp_path):
    code, _, errors = audit(tmp_path, "http://127.0.0.1:9", "torch\n")
    assert code == 1 and errors == "error: constraints.txt: expected lines of name==version, found none\n"


def test_the_shipped_file_pins_everything():
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    assert lines and all("==" in line for line in lines if line and not line.startswith("#"))
