"""Files of waiting values that are damaged, and addresses that are not MLflow's: told in one line, nothing is lost."""

import json
import math
import sqlite3
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from tracking.runs import run, runs

from minimoe.system.errors import UserError
from minimoe.tracking import backlog

pytestmark = pytest.mark.usefixtures("folder")

ABOUT = '{"name": "a", "tags": {"stage": "distill"}, "params": {"layers": "2"}, "status": "FINISHED"}'
POINT = '[["loss", 4.0, 1, 1]]'
DAMAGED = {
    "empty": b"",
    "bytes": b"\xff\xfe\x00",
    "no JSON": b"{\n",
    "its first line cut": ABOUT[:30].encode(),
    "a list of points alone": POINT.encode(),
    "a number": b"3\n",
    "no name": f"{json.dumps({'tags': {}, 'params': {}})}\n{POINT}\n".encode(),
    "tags that are numbers": f"{json.dumps({'name': 'a', 'tags': {'a': 1}, 'params': {}})}\n{POINT}\n".encode(),
    "a name that is a number": f"{json.dumps({'name': 3, 'tags': {}, 'params': {}})}\n{POINT}\n".encode(),
    "an id that is none": f'{ABOUT[:-1]}, "run_id": "../../x"}}\n{POINT}\n'.encode(),
    "a status that is none": f"{ABOUT.replace('FINISHED', 'DONE')}\n{POINT}\n".encode(),
    "a line cut before the last": f'{ABOUT}\n[["loss", 4.\n{POINT}\n'.encode(),
    "points of three": f'{ABOUT}\n[["loss", 4.0, 1]]\n{POINT}\n'.encode(),
    "points of text": f'{ABOUT}\n[["loss", "low", 1, 1]]\n'.encode(),
    "a number for points": f"{ABOUT}\n3\n".encode(),
    "brackets without end": f"{ABOUT}\n{'[' * 9999}\n{POINT}\n".encode(),
    "not UTF-8 in a name": f"{ABOUT}\n{POINT}\n".encode().replace(b"loss", b"lo\xffs"),
}


def put(content: bytes) -> Path:
    path = backlog.folder() / "aa.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("name", DAMAGED)
def test_a_damaged_file_is_put_aside(name, capsys):
    path = put(DAMAGED[name])
    (left,) = backlog.left()
    assert left.take() is None
    (line,) = capsys.readouterr().err.splitlines()
    aside = Path(f"{path}.damaged")
    assert line.startswith(f"MLflow: {path}: damaged") and str(aside) in line
    assert aside.read_bytes() == DAMAGED[name]
    assert [file.name for file in backlog.folder().iterdir()] == [aside.name]


@pytest.mark.slow
def test_beside_a_damaged_file_runs_are_tracked_and_others_are_sent(capsys):
    put(DAMAGED["bytes"])
    kept = backlog.Backlog()
    kept.keep(json.loads(ABOUT), [("loss", 4.0, 1, 1)])
    kept.release()
    for _ in range(2):
        with run() as tracker:
            tracker.metrics({"loss": 2.0}, 1)
    assert runs() == [("FINISHED", [(1, 2.0)]), ("FINISHED", [(1, 2.0)]), ("FINISHED", [(1, 4.0)])]
    assert len(capsys.readouterr().err.splitlines()) == 1


@pytest.mark.slow
def test_a_last_line_that_is_cut_loses_itself_alone(capsys):
    put(f'{ABOUT}\n{POINT}\n[["loss", 3.'.encode())
    with run():
        pass
    assert runs() == [("FINISHED", []), ("FINISHED", [(1, 4.0)])]
    assert not capsys.readouterr().err


@pytest.mark.slow
def test_what_mlflow_refuses_for_good_is_put_aside(capsys):
    path = put(f"{ABOUT}\n{POINT}\n".replace("loss", "lo\\u0000ss").encode())
    with run() as tracker:
        tracker.metrics({"loss": 2.0}, 1)
    assert Path(f"{path}.damaged").exists() and not path.exists()
    assert "refuse" in capsys.readouterr().err
    assert ("FINISHED", [(1, 2.0)]) in runs()


def test_values_that_are_no_numbers_are_kept_and_sent():
    kept = backlog.Backlog()
    kept.keep(json.loads(ABOUT), [("loss", math.nan, 1, 1), ("loss", math.inf, 1, 2), ("loss", 1.0, 1, 3)])
    kept.release()
    assert [point[3] for point in backlog.Backlog(kept.path).take()[1]] == [1, 2, 3]


@pytest.fixture
def answering():
    """The address of a server whose every answer is the same."""
    servers = []

    def serve(answer: bytes) -> str:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            do_POST = do_GET

            def log_message(self, *_):
                pass

        servers.append(ThreadingHTTPServer(("127.0.0.1", 0), Handler))
        Thread(target=servers[-1].serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{servers[-1].server_port}"

    yield serve
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.mark.slow
@pytest.mark.parametrize("answer", [b"{}", b"[]", b'{"experiment": {"experiment_id": "1"}}'])
def test_a_server_that_is_not_mlflow_is_no_success(answering, capsys, answer):
    with run(answering(answer)) as tracker:
        tracker.metrics({"loss": 4.0}, 1)
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith("MLflow: ") and lines[-1].startswith("MLflow: 1 values of run base/minilm wait in ")
    with run():
        pass
    assert runs() == [("FINISHED", []), ("FINISHED", [(1, 4.0)])]


@pytest.mark.parametrize("kind", ["folder", "text", "cut"])
def test_an_address_that_is_no_database_is_told_at_once(folder, kind, monkeypatch):
    path = folder / "db"
    if kind == "folder":
        path.mkdir()
    else:
        with sqlite3.connect(path) as database:
            database.execute("CREATE TABLE runs (id)")
        path.write_bytes(b"some notes\n" * 99 if kind == "text" else path.read_bytes()[:20])
    asked = []
    monkeypatch.setattr("mlflow.MlflowClient", lambda *of: asked.append(of))  # which would try for minutes
    with pytest.raises(UserError, match=r"runtime.tracking.uri: cannot use sqlite:///.*; fix it or set"), run("db"):
        pass
    assert not asked
