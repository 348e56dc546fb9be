"""A hub on this machine for the real client: its API, the CDN behind it, and Xet's store, each of which can misbehave.

A repository is a dictionary of files. Large ones, by their suffix, are kept as the hub keeps them: named by SHA-256,
fetched by plain HTTP from the CDN or, where `xet` is on, piece by piece from the store. The store's answers are those
of its version 1: which pieces a file is made of, and the pieces, each behind a header of eight bytes. What is pushed
comes by plain HTTP alone (`receive`).
"""

import base64
import hashlib
import json
import socket
import struct
import threading
import time
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

import yaml

LARGE = (".safetensors", ".bin", ".parquet")
PIECE = 60_000  # bytes


def git_sum(content: bytes) -> str:
    return hashlib.sha1(f"blob {len(content)}\0".encode() + content).hexdigest()


class Hub:
    """Serves repositories. Each request whose path begins with a key of `faults` takes the next of that list.

    A fault is a number (the status to answer), or a dictionary: `status` and `headers`; `reset` (the connection is cut
    before an answer); `send` (bytes of the body after which it is cut); `stall` (seconds without a byte of the body).
    """

    def __init__(self, xet: bool = False):
        self.xet, self.repositories, self.faults, self.requests = xet, {}, {}, []
        self.files: dict[str, bytes] = {}  # further ones, by path
        self.flipped: set[str] = set()  # ends of paths of files that arrive with a bit flipped
        self.tokens: dict[str, str] = {}  # repository → the token that it is shown to
        self.writers: dict[str, str] = {}  # token → the user who may write with it
        self.private: set[str] = set()
        self.uploads: dict[str, bytes] = {}  # by SHA-256, before the commit that names them
        self.titles: dict[tuple[str, str], str] = {}  # (repository, path) → the title of its last commit
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                with suppress(ConnectionError):
                    outer.answer(self)

            do_HEAD = do_POST = do_PUT = do_GET

            def log_message(self, *_):
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.http.server_port}"
        self.elsewhere = self.url.replace("127.0.0.1", "localhost")  # the CDN is another host to clients
        threading.Thread(target=self.http.serve_forever, args=(0.01,), daemon=True).start()

    def add(self, kind: str, name: str, files: dict[str, bytes], revision: str = "main") -> str:
        """Put a repository's files at a revision; returns the commit."""
        commit = hashlib.sha1(repr(sorted(files.items())).encode()).hexdigest()
        repository = self.repositories.setdefault(f"{kind}s/{name}", {})
        repository[revision] = repository[commit] = (commit, files)
        return commit

    def close(self):
        self.http.shutdown()
        self.http.server_close()

    def asked(self, beginning: str) -> int:
        return sum(path.startswith(beginning) for _, path in self.requests)

    def answer(self, handler):
        path = unquote(urlsplit(handler.path).path)
        self.requests.append((handler.command, path))
        sent = handler.rfile.read(int(handler.headers.get("Content-Length") or 0))
        for beginning, faults in self.faults.items():
            if path.startswith(beginning) and faults:
                return self.misbehave(handler, path, faults.pop(0))
        if handler.command in ("POST", "PUT"):
            return self.serve(handler, *self.receive(path, sent, handler))
        self.serve(handler, *self.found(path, handler))

    def misbehave(self, handler, path, fault):
        if isinstance(fault, int) or "status" in fault:
            fault = {"status": fault} if isinstance(fault, int) else fault
            return self.serve(handler, fault["status"], fault.get("headers", {}), fault.get("body", b"out of order"))
        if "reset" in fault:
            handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            handler.close_connection = True
            return handler.connection.close()
        self.serve(handler, *self.found(path, handler), fault)

    def serve(self, handler, status, headers, body, fault=None):
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name, value)
        if "Content-Length" not in headers:
            handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        if handler.command == "HEAD":
            return
        if fault:
            handler.wfile.write(body[: fault.get("send", 0)])
            handler.wfile.flush()
            time.sleep(fault.get("stall", 0))
            handler.close_connection = True
            return
        handler.wfile.write(body)

    def found(self, path: str, handler) -> tuple[int, dict, bytes]:
        """Status, headers and body."""
        if path in self.files:
            return 200, {}, self.files[path]
        parts = path.strip("/").split("/")
        if parts[0] in ("cdn", "cas"):
            return self.stored(parts, handler)
        if parts[0] == "api":
            kind, name, rest = parts[1], "/".join(parts[2:4]), parts[4:]
            repository = self.shown(f"{kind}/{name}", handler)
            if isinstance(repository, tuple):
                return repository
            return self.api(repository, kind, name, rest)
        kind = "datasets" if parts[0] == "datasets" else "models"
        parts = parts[1:] if kind == "datasets" else parts
        name, rest = "/".join(parts[:2]), parts[3:]
        repository = self.shown(f"{kind}/{name}", handler)
        if isinstance(repository, tuple):
            return repository
        return self.resolve(repository, kind, name, rest)

    def receive(self, path: str, sent: bytes, handler) -> tuple[int, dict, bytes]:
        """Status, headers and body for what makes a repository, checks a card, or brings files and a commit."""
        if path.startswith("/upload/"):  # an address that the hub gave: it asks for no token
            oid = path.rpartition("/")[2]
            if hashlib.sha256(sent).hexdigest() != oid:
                return 400, {}, b"not of this sum"
            self.uploads[oid] = sent
            return 200, {}, b""
        user = self.writers.get(handler.headers.get("Authorization", "").removeprefix("Bearer "))
        if user is None:
            return 401, {"X-Error-Message": "Invalid username or password."}, b""
        if path == "/api/validate-yaml":
            return self.checked(json.loads(sent)["content"])
        if path == "/api/repos/create":
            return self.created(json.loads(sent), user)
        owner, name, *rest = path.removeprefix("/api/models/").strip("/").split("/")
        key = f"models/{owner}/{name.removesuffix('.git')}"
        if key not in self.repositories:
            return 404, {"X-Error-Code": "RepoNotFound", "X-Error-Message": "Repository not found"}, b""
        if owner != user:
            return 403, {"X-Error-Message": "Forbidden: you need write access to this repository"}, b""
        if rest[-1] == "batch":
            return 200, {}, self.json({"objects": [self.wanted(each) for each in json.loads(sent)["objects"]]})
        if rest[0] == "preupload":
            files = [self.mode(key, each) for each in json.loads(sent)["files"]]
            return 200, {}, self.json({"files": files})
        return self.committed(key, [json.loads(line) for line in sent.splitlines()])

    def created(self, about: dict, user: str):
        """A new repository, as the hub makes one: with a commit, empty but for .gitattributes."""
        owner = about.get("organization") or user
        key = f"models/{owner}/{about['name']}"
        url = {"url": f"{self.url}/{owner}/{about['name']}"}
        if owner != user:
            why = f"You don't have the rights to create a model under the namespace {owner!r}"
            return 403, {"X-Error-Message": why}, self.json({"error": why})
        if key in self.repositories:
            return 409, {"X-Error-Message": "You already created this model repo"}, self.json(url)
        if about["visibility"] == "private":
            self.private.add(key)
        self.add("model", key.removeprefix("models/"), {".gitattributes": b"*.safetensors filter=lfs\n"})
        return 200, {}, self.json(url)

    def checked(self, card: str):
        """Of a card's metadata, some of what the hub demands."""
        data = yaml.safe_load(card.split("---\n")[1])
        license = data.get("license", "mit")
        errors = [] if license.islower() else [{"message": f'"license" must be one of mit, … not {license}'}]
        errors += [{"message": '"model-index[0].results" is empty'} for index in data.get("model-index", [])
                   if not all(result["metrics"] for result in index["results"])]  # fmt: skip
        return (400 if errors else 200), {}, self.json({"errors": errors, "warnings": []})

    def mode(self, key: str, file: dict) -> dict:
        there = self.repositories[key]["main"][1].get(file["path"])
        large = file["path"].endswith(LARGE)
        oid = there and (hashlib.sha256(there).hexdigest() if large else git_sum(there))
        return {"path": file["path"], "uploadMode": "lfs" if large else "regular", "shouldIgnore": False, "oid": oid}

    def wanted(self, file: dict) -> dict:
        """How a large file is to be brought, where it is not there."""
        there = {hashlib.sha256(content).hexdigest() for _, content in self.large()} | self.uploads.keys()
        actions = {"upload": {"href": f"{self.elsewhere}/upload/{file['oid']}", "header": {}}}
        return file if file["oid"] in there else file | {"actions": actions}

    def committed(self, key: str, lines: list[dict]):
        files = dict(self.repositories[key]["main"][1])
        stored = self.uploads | {hashlib.sha256(content).hexdigest(): content for _, content in self.large()}
        for line in lines[1:]:
            value = line["value"]
            if line["key"] == "deletedFile":
                del files[value["path"]]
                continue
            if line["key"] == "lfsFile" and value["oid"] not in stored:
                return 400, {"X-Error-Message": f"{value['path']} was not uploaded"}, b""
            large = line["key"] == "lfsFile"
            files[value["path"]] = stored[value["oid"]] if large else base64.b64decode(value["content"])
            self.titles[key, value["path"]] = lines[0]["value"]["summary"]
        commit = self.add("model", key.removeprefix("models/"), files)
        url = f"{self.url}/{key.removeprefix('models/')}/commit/{commit}"
        return 200, {}, self.json({"success": True, "commitOid": commit, "commitUrl": url, "hookOutput": ""})

    def shown(self, key: str, handler):
        repository = self.repositories.get(key)
        token = self.tokens.get(key)
        if repository is None or (token and "Authorization" not in handler.headers):
            return 401, {"X-Error-Code": "RepoNotFound", "X-Error-Message": "Repository not found"}, b""
        if token and handler.headers["Authorization"] != f"Bearer {token}":
            return 403, {"X-Error-Code": "GatedRepo", "X-Error-Message": "Access to it is restricted"}, b""
        return repository

    @staticmethod
    def revision(repository: dict, rest: list[str]):
        """The commit, the files, and what follows the revision, which may have slashes in it."""
        for length in range(1, len(rest) + 1):
            if found := repository.get("/".join(rest[:length])):
                return *found, "/".join(rest[length:])
        return None

    def api(self, repository, kind, name, rest):
        what, rest = (rest[0], rest[1:]) if rest else ("revision", ["main"])
        found = self.revision(repository, rest)
        if found is None:
            return 404, {"X-Error-Code": "RevisionNotFound", "X-Error-Message": "Invalid rev id"}, b""
        commit, files, _ = found
        if what == "xet-read-token":
            end = int(time.time()) + 3600
            headers = {
                "X-Xet-Cas-Url": f"{self.url}/cas",
                "X-Xet-Access-Token": "open",
                "X-Xet-Token-Expiration": str(end),
            }
            return 200, headers, self.json({"casUrl": f"{self.url}/cas", "accessToken": "open", "exp": end})
        if what == "tree":
            key = f"{kind}/{name}"
            return 200, {}, self.json([self.entry(key, path, content) for path, content in sorted(files.items())])
        siblings = [{"rfilename": path} for path in sorted(files)]
        about = {"_id": "1", "id": name, "sha": commit, "siblings": siblings, "private": False, "tags": []}
        return 200, {}, self.json(about | {"downloads": 0, "likes": 0, "disabled": False, "gated": False})

    def entry(self, key: str, path: str, content: bytes) -> dict:
        entry = {"type": "file", "path": path, "size": len(content), "oid": git_sum(content)}
        title = self.titles.get((key, path), "initial commit")
        entry["lastCommit"] = {"id": "1", "title": title, "date": "2026-01-01T00:00:00.000Z"}
        if path.endswith(LARGE):
            digest = hashlib.sha256(content).hexdigest()
            entry["lfs"] = {"oid": digest, "size": len(content), "pointerSize": 134}
            if self.xet:
                entry["xetHash"] = self.xet_hash(digest)
        return entry

    def resolve(self, repository, kind, name, rest):
        found = self.revision(repository, rest)
        if found is None:
            return 404, {"X-Error-Code": "RevisionNotFound", "X-Error-Message": "Invalid rev id"}, b""
        commit, files, path = found
        headers = {"X-Repo-Commit": commit}
        if path not in files:
            return 404, headers | {"X-Error-Code": "EntryNotFound", "X-Error-Message": "Entry not found"}, b""
        content = files[path]
        if not path.endswith(LARGE):
            return 200, headers | {"ETag": f'"{git_sum(content)}"'}, self.bent(path, content)
        digest = hashlib.sha256(content).hexdigest()
        headers |= {"X-Linked-Etag": f'"{digest}"', "X-Linked-Size": str(len(content))}
        if self.xet:
            token = f"{self.url}/api/{kind}/{name}/xet-read-token/{commit}"
            headers |= {"X-Xet-Hash": self.xet_hash(digest), "Link": f'<{token}>; rel="xet-auth"'}
        return 302, headers | {"Location": f"{self.elsewhere}/cdn/{digest}"}, b""

    def stored(self, parts, handler):
        """A file of the CDN, or what Xet's store says and has of one."""
        if parts[:2] == ["cas", "v2"]:
            return 404, {}, b""
        wanted = parts[-1]
        for path, content in self.large():
            digest = hashlib.sha256(content).hexdigest()
            if parts[0] == "cdn" and wanted == digest:
                return self.part(self.bent(path, content), handler, {"ETag": f'"{digest}"'})
            if parts[0] == "cas" and wanted == self.xet_hash(digest):
                if parts[2] == "reconstructions":
                    return 200, {}, self.json(self.reconstruction(wanted, content))
                return self.part(self.pieces(self.bent(path, content)), handler, {})
        return 404, {}, b""

    def large(self):
        for repository in self.repositories.values():
            for _, files in repository.values():
                yield from ((path, content) for path, content in files.items() if path.endswith(LARGE))

    @staticmethod
    def part(body, handler, headers):
        wanted = handler.headers.get("Range")
        if not wanted:
            return 200, headers, body
        first, _, last = wanted.removeprefix("bytes=").partition("-")
        start, end = int(first), min(int(last or len(body) - 1), len(body) - 1)
        return 206, headers | {"Content-Range": f"bytes {start}-{end}/{len(body)}"}, body[start : end + 1]

    def reconstruction(self, name: str, content: bytes) -> dict:
        count, url = -(-len(content) // PIECE), f"{self.url}/cas/v1/xorbs/{name}"
        whole = {"start": 0, "end": count}
        last = len(self.pieces(content)) - 1
        return {
            "offset_into_first_range": 0,
            "terms": [{"hash": name, "unpacked_length": len(content), "range": whole}],
            "fetch_info": {name: [{"range": whole, "url": url, "url_range": {"start": 0, "end": last}}]},
        }

    @staticmethod
    def pieces(content: bytes) -> bytes:
        """Each piece behind its header: version 0, three bytes of packed length, no packing, three of unpacked."""
        made = b""
        for start in range(0, len(content), PIECE):
            piece = content[start : start + PIECE]
            length = len(piece).to_bytes(3, "little")
            made += b"\0" + length + b"\0" + length + piece
        return made

    def bent(self, path: str, content: bytes) -> bytes:
        """The file as it arrives."""
        if not any(path.endswith(end) for end in self.flipped):
            return content
        middle = len(content) // 2
        return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]

    @staticmethod
    def xet_hash(digest: str) -> str:
        return hashlib.sha256(f"xet {digest}".encode()).hexdigest()

    @staticmethod
    def json(value) -> bytes:
        return json.dumps(value).encode()
