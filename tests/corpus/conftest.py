"""A loopback HTTP server that can be told to misbehave, and records of a tiny corpus."""

import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from corpus.tiny_corpus import BERT, ROBERTA, make_tokenizer, sentences

from minimoe.corpus.build import build_records


class Server:
    """Serves `files` (path → bytes). Each request takes the next of `faults`; without one it is served well.

    A fault is a number (the status to answer) or a dict: `send` (bytes after which the connection breaks off),
    `length` (the Content-Length to claim), `stall` (seconds), `ignore_range`, `redirect` (another address), `status`
    with a `body`.
    """

    def __init__(self):
        self.files, self.faults, self.requests, self.agents, self.tag = {}, [], [], [], '"v1"'
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                outer.requests.append((self.path, self.headers.get("Range")))
                outer.agents.append(self.headers.get("User-Agent"))
                outer.answer(self)

            def log_message(self, *args):
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.block_on_close = False  # on a stalled answer
        self.url = f"http://127.0.0.1:{self.http.server_address[1]}"
        threading.Thread(target=self.http.serve_forever, args=(0.01,), daemon=True).start()

    def answer(self, handler):
        body = self.files.get(handler.path)
        if body is None:
            return self.refuse(handler, 404)
        fault = self.faults.pop(0) if self.faults else {}
        if isinstance(fault, int):
            return self.refuse(handler, fault)
        if "status" in fault:
            return self.refuse(handler, fault["status"], body=fault["body"])
        if "redirect" in fault:
            return self.refuse(handler, 302, {"Location": fault["redirect"]})
        start, wanted = 0, handler.headers.get("Range")
        if wanted and not fault.get("ignore_range") and handler.headers.get("If-Range") in (None, self.tag):
            start = int(wanted.removeprefix("bytes=").removesuffix("-"))
            if start >= len(body):
                return self.refuse(handler, 416, {"Content-Range": f"bytes */{len(body)}"})
            handler.send_response(206)
            handler.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
        else:
            handler.send_response(200)
        if self.tag:
            handler.send_header("ETag", self.tag)
        handler.send_header("Content-Length", str(fault.get("length", len(body) - start)))
        handler.end_headers()
        handler.wfile.write(body[start:][: fault.get("send")])
        time.sleep(fault.get("stall", 0))
        handler.close_connection = bool(fault)

    def refuse(self, handler, status, headers=None, body=b""):
        handler.send_response(status)
        for name, value in (headers or {}).items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    def ranges(self, path):
        return [wanted for asked, wanted in self.requests if asked == path]


@pytest.fixture
def server():
    server = Server()
    yield server
    server.http.shutdown()
    server.http.server_close()


@pytest.fixture(scope="session")
def bert(tmp_path_factory):
    """The folder of a tokenizer with BERT's special tokens and segments."""
    pair = "[CLS]:0 $A:0 [SEP]:0 $B:1 [SEP]:1"
    return make_tokenizer(tmp_path_factory.mktemp("bert"), BERT, pair)


@pytest.fixture(scope="session")
def roberta(tmp_path_factory):
    """The folder of a tokenizer with RoBERTa's special tokens, without segments."""
    pair = "<s>:0 $A:0 </s>:0 </s>:0 $B:0 </s>:0"
    return make_tokenizer(tmp_path_factory.mktemp("roberta"), ROBERTA, pair)


@pytest.fixture
def build(tmp_path, bert):
    """Builds records of a corpus; arguments replace its values. Returns the records' folder."""

    def build(name="records", text=None, tokenizer=bert, **values):
        (tmp_path / "formatted").mkdir(exist_ok=True)
        (tmp_path / "formatted/00000.txt").write_text(sentences() if text is None else text, encoding="utf-8")
        defaults = {
            "max_length": 32,
            "short_probability": 0.1,
            "shard_records": 100,
            "heldout": 0.2,
            "seed": 776,
            "workers": 1,
        }
        build_records(tmp_path / "formatted", tokenizer, tmp_path / name, **(defaults | values))
        return tmp_path / name

    return build
