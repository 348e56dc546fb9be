"""Download one file over HTTP, resuming where the connection broke.

The bytes received stay in a partial file, with the server's version of the file (ETag or Last-Modified) beside it. An
attempt asks for the remaining bytes if the version is still the same (`If-Range`); if it is not, or the server ignores
the condition, it starts over. It gives up when several attempts in a row bring nothing new.
"""

import json
import os
import re
from pathlib import Path

import requests
import urllib3
from tqdm import tqdm

from minimoe.system.errors import UserError
from minimoe.system.files import write_json
from minimoe.system.retry import PASSING, Broken, asked_pause, retry

ATTEMPTS = 7  # without progress, in a row
# Wikimedia's policy wants a program's name and where its makers can be reached, or blocks it
AGENT = "minimoe/0.1 (https://arxiv.org/abs/2305.12129) python-requests"
LONGEST_QUOTE = 200  # characters of a server's own words
_TIMEOUT = (15, 60)  # seconds to connect; seconds without a byte
_HEADERS = {"User-Agent": AGENT, "Accept-Encoding": "identity"}


class NotFoundError(UserError):
    """The server has no such file."""


class ForbiddenError(NotFoundError):
    """The server refuses the file (403); object stores also answer so for a file that they do not have."""


def transfer(url: str, partial: Path, pause: float = 1.0) -> None:
    """Download `url` to the file `partial`, resuming from what is there. `pause`: seconds before the second attempt.

    Raises `NotFoundError` for an address without a file, `UserError` when the server refuses or never gets further.
    """

    def attempt() -> None:
        try:
            _attempt(url, partial)
        except (requests.exceptions.InvalidURL, requests.exceptions.InvalidSchema) as error:
            raise UserError(f"{url}: not an address: {error}") from None
        except requests.exceptions.SSLError as error:
            raise UserError(f"{url}: its server cannot be trusted: {error}; fix the certificates here") from None
        except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
            raise Broken(str(error)) from None

    def left() -> str:
        return f"{_size(partial)} bytes are kept, run again to go on"

    retry(attempt, url, ATTEMPTS, pause, lambda: _size(partial), left)


def length(url: str, pause: float = 1.0) -> int | None:
    """The bytes of the file at `url`, as its server tells them; raises as `transfer`, after fewer attempts."""
    nothing = Path(os.devnull)

    def attempt() -> int | None:
        try:
            with requests.get(url, headers=_HEADERS, stream=True, timeout=_TIMEOUT) as response:
                return _accept(response, url, nothing)
        except requests.RequestException as error:
            raise Broken(str(error)) from None

    return retry(attempt, url, 3, pause)


def _beginning(response: requests.Response) -> str:
    return next(response.iter_content(1 << 14), b"").decode(errors="replace")


def quote(page: str) -> str:
    """A server's message, which may be a whole HTML page, as one line."""
    body = re.sub(r"(?s)<(script|style)\b.*?</\1>|<[^>]*>", " ", page)
    return " ".join(body.split())[:LONGEST_QUOTE] or "no reason given"


def forget(partial: Path) -> None:
    """Delete a partial file and what is known of it."""
    partial.unlink(missing_ok=True)
    _version_file(partial).unlink(missing_ok=True)


def _attempt(url: str, partial: Path) -> None:
    have, version = _size(partial), _version(partial)
    resume = {"Range": f"bytes={have}-", "If-Range": version} if have and version else {}
    with requests.get(url, headers=_HEADERS | resume, stream=True, timeout=_TIMEOUT) as response:
        total = _accept(response, url, partial)
        if response.status_code == 416:
            return
        if response.status_code == 200:
            forget(partial)
            _remember(partial, response.headers)
        _write(response, partial, total)
    if total is not None and _size(partial) != total:
        raise Broken(f"the connection ended after {_size(partial)} of {total} bytes")


def _accept(response: requests.Response, url: str, partial: Path) -> int | None:
    """The size of the whole file, if the server tells; raises unless its answer is the file or the rest of it."""
    status, headers, have = response.status_code, response.headers, _size(partial)
    if status in PASSING:
        raise Broken(f"the server answered {status}", asked_pause(headers))
    if status == 200:
        return int(headers["Content-Length"]) if headers.get("Content-Length", "").isdigit() else None
    if status in (206, 416):
        span = re.fullmatch(r"bytes (?:(\d+)-\d+|\*)/(\d+|\*)", headers.get("Content-Range", ""))
        total = int(span[2]) if span and span[2] != "*" else None
        if (status == 206 and span and span[1] == str(have)) or (status == 416 and total == have):
            return total
        forget(partial)
        raise Broken(f"the server answered {status} with Content-Range {headers.get('Content-Range')!r}")
    if status in (404, 410):
        raise NotFoundError(f"{url}: the server has no such file ({status})")
    if status == 403:
        raise ForbiddenError(f"{url}: the server does not give it (403): {quote(_beginning(response))}")
    raise UserError(f"{url}: the server answered {status} {response.reason}")


def _write(response: requests.Response, partial: Path, total: int | None) -> None:
    """Append the raw bytes: content encoding is not decoded, because sizes and checksums are of the file as stored."""
    with (
        partial.open("ab") as file,
        tqdm(desc="download", total=total, initial=_size(partial), unit="B", unit_scale=True, delay=1) as progress,
    ):
        for block in response.raw.stream(1 << 18, decode_content=False):
            file.write(block)
            progress.update(len(block))


def _remember(partial: Path, headers: dict) -> None:
    """Save the version of the file; a weak ETag does not identify it byte for byte."""
    tag = headers.get("ETag", "")
    version = tag if tag.startswith('"') else headers.get("Last-Modified")
    if version:
        write_json(_version_file(partial), {"version": version})


def _version(partial: Path) -> str | None:
    try:
        version = json.loads(_version_file(partial).read_text(encoding="utf-8"))["version"]
    except (FileNotFoundError, ValueError, RecursionError, KeyError, TypeError):  # none, or damaged
        return None
    return version if isinstance(version, str) and version.isprintable() else None


def _version_file(partial: Path) -> Path:
    return partial.with_name(f"{partial.name}.json")


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
