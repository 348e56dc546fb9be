"""make audit against a vulnerability service on the loopback that answers as OSV's does."""

import json
import os
import shutil
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FOUND = {
    "id": "PYSEC-1",
    "summary": "It runs what it reads.",
    "affected": [
        {
            "package": {"name": "b-c", "ecosystem": "PyPI"},
            "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "2.1"}]}],
        }
    ],
}


@pytest.fixture
def service():
    """A service that knows `vulnerabilities` of releases by (name, version); those asked for stand in `asked`."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            query = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            release = query["package"]["name"], query["version"]
            server.asked.append(release)
            found = server.vulnerabilities.get(release)
            self.send_response(server.status)
            self.end_headers()
            self.wfile.write(json.dumps({"vulns": found} if found else {}).encode())

        def log_message(self, *args):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.vulnerabilities, server.asked, server.status = {}, [], 200
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def audit(folder: Path, **environment: str) -> tuple[bool, str]:
    """Whether `make audit` in a folder with two pins ends well, and what it says."""
    shutil.copy(ROOT / "Makefile", folder)
    (folder / "requirements.txt").write_text("a==1.0\nb-c==2.0\n")
    (folder / ".venv").symlink_to(sys.prefix)
    environment = os.environ | {"no_proxy": "127.0.0.1", "XDG_CACHE_HOME": str(folder / "cache")} | environment
    command = ["make", "-o", "env", "audit"]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    return done.returncode == 0, done.stdout + done.stderr


def osv(service) -> dict[str, str]:
    address = f"http://127.0.0.1:{service.server_address[1]}"
    return {"PIP_AUDIT_VULNERABILITY_SERVICE": "osv", "PIP_AUDIT_OSV_URL": address}


def test_every_pin_is_asked_for(tmp_path, service):
    well, said = audit(tmp_path, **osv(service))
    assert well and "No known vulnerabilities found" in said
    assert sorted(service.asked) == [("a", "1.0"), ("b-c", "2.0")]


def test_a_vulnerability_fails_and_is_named_with_its_remedy(tmp_path, service):
    service.vulnerabilities["b-c", "2.0"] = [FOUND]
    well, said = audit(tmp_path, **osv(service))
    assert not well and ["b-c", "2.0", "PYSEC-1", "2.1"] in [line.split()[:4] for line in said.splitlines()]


def test_a_service_that_fails_is_no_safety(tmp_path, service):
    service.status = 500
    assert not audit(tmp_path, **osv(service))[0]


def test_a_service_out_of_reach_is_no_safety(tmp_path):
    """PyPI, which is asked by default."""
    well, said = audit(tmp_path, https_proxy="http://127.0.0.1:9", PIP_AUDIT_VULNERABILITY_SERVICE="pypi")
    assert not well and "pypi.org" in said
