"""One file over HTTP, in as many attempts as it takes.

What has arrived stays in a partial file with the server's name for that version of the file (ETag or Last-Modified)
beside it. An attempt asks for the rest on the condition that the version is still the same (`If-Range`); otherwise,
and when the server ignores the condition, it starts over. Attempts end when several in a row bring nothing new.
"""

import json
import re
import time
from pathlib import Path

import requests
import urllib3
from tqdm import tqdm

from minimoe.errors import UserError
from minimoe.files import write_json

ATTEMPTS = 7  # without progress, in a row
LONGEST_PAUSE = 60.0  # seconds
_TIMEOUT = (15, 60)  # seconds to connect; seconds without a byte
_HEADERS = {"User-Agent": "minimoe/0.1 (corpus download)", "Accept-Encoding": "identity"}
_PASSING = {408, 429, 500, 502, 503, 504}  # answers that another attempt may not get


class NotFoundError(UserError):
    """The server has no such file, or does not give it."""


class Broken(Exception):
    """An attempt that another one may better; `pause` is what the server asked to wait, in seconds."""

    def __init__(self, reason: str, pause: float = 0.0) -> None:
        super().__init__(reason)
        self.pause = pause


def transfer(url: str, partial: Path, pause: float = 1.0) -> None:
    """Bring `url` to the file `partial`, going on from what is there. `pause`: seconds before the second attempt.

    Raises `NotFoundError` for an address without a file, `UserError` when the server refuses or never gets further.
    """
    failures, furthest = 0, _size(partial)
    while True:
        try:
            return _attempt(url, partial)
        except (requests.RequestException, urllib3.exceptions.HTTPError, Broken) as error:
            if isinstance(error, (requests.exceptions.InvalidURL, requests.exceptions.InvalidSchema)):
                raise UserError(f"{url}: not an address: {error}") from None
            reason, wanted = " ".join(str(error).split()), getattr(error, "pause", 0.0)
        failures = 1 if _size(partial) > furthest else failures + 1
        furthest = max(furthest, _size(partial))
        if failures == ATTEMPTS:
            raise UserError(
                f"{url}: nothing new in {ATTEMPTS} attempts, the last: {reason}; "
                f"{_size(partial)} bytes are kept, run again to go on"
            )
        time.sleep(min(max(pause * 2 ** (failures - 1), wanted), LONGEST_PAUSE))


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
    if status in _PASSING:
        asked = headers.get("Retry-After", "")
        raise Broken(f"the server answered {status}", float(asked) if asked.isdigit() else 0.0)
    if status == 200:
        return int(headers["Content-Length"]) if headers.get("Content-Length", "").isdigit() else None
    if status in (206, 416):
        span = re.fullmatch(r"bytes (?:(\d+)-\d+|\*)/(\d+|\*)", headers.get("Content-Range", ""))
        total = int(span[2]) if span and span[2] != "*" else None
        if (status == 206 and span and span[1] == str(have)) or (status == 416 and total == have):
            return total
        forget(partial)
        raise Broken(f"the server answered {status} with Content-Range {headers.get('Content-Range')!r}")
    if status in (403, 404, 410):  # stores answer 403 for a file that they do not have
        raise NotFoundError(f"{url}: the server has no such file or does not give it ({status})")
    raise UserError(f"{url}: the server answered {status} {response.reason}")


def _write(response: requests.Response, partial: Path, total: int | None) -> None:
    """Append what comes, as it comes: no content encoding is undone, for sizes and sums are those of the file."""
    with (
        partial.open("ab") as file,
        tqdm(desc="download", total=total, initial=_size(partial), unit="B", unit_scale=True, delay=1) as progress,
    ):
        for block in response.raw.stream(1 << 18, decode_content=False):
            file.write(block)
            progress.update(len(block))


def _remember(partial: Path, headers: dict) -> None:
    """Keep what identifies this version of the file; a weak ETag does not, byte for byte."""
    tag = headers.get("ETag", "")
    version = tag if tag.startswith('"') else headers.get("Last-Modified")
    if version:
        write_json(_version_file(partial), {"version": version})


def _version(partial: Path) -> str | None:
    try:
        return json.loads(_version_file(partial).read_text(encoding="utf-8"))["version"]
    except FileNotFoundError:
        return None


def _version_file(partial: Path) -> Path:
    return partial.with_name(f"{partial.name}.json")


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
