"""A loopback HTTP server that can be told to misbehave."""

import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from corpus.fixtures import bert, build, roberta  # noqa: F401


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
