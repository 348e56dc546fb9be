"""Download the files of a model or data set on the Hugging Face hub to the local cache, and verify each.

A transfer runs in a process of its own, because the hub's clients cannot be interrupted: that process is killed, and
what it had half written is deleted. It says in JSON how it went:

    stage ── python -m minimoe.hub.snapshot        {"folder": …} or {"reason": …, "again": …}

Xet, which large files come by, has hosts of its own that not every network lets through: where it fails, the next
attempt takes plain HTTP.
"""

import hashlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

from minimoe.system.errors import LONGEST_REASON, UserError, refusal
from minimoe.system.interrupts import end_with
from minimoe.system.retry import PASSING, Broken, asked_pause, retry

ATTEMPTS = 4  # each of which tries broken connections again itself
PAUSE = 2.0  # seconds before the second one
ABANDONED = 3600  # seconds after which a file that nobody writes to is what a killed process left
QUIET = {"HF_HUB_DISABLE_TELEMETRY": "1", "HF_UPDATE_DOWNLOAD_COUNTS": "0"}
# of Xet: by default it tries for minutes without a word
IMPATIENT = {
    "HF_XET_CLIENT_RETRY_MAX_ATTEMPTS": "3",
    "HF_XET_CLIENT_RETRY_MAX_DURATION": "20s",
    "HF_XET_CLIENT_READ_TIMEOUT": "20s",
}


class Snapshot(NamedTuple):
    """A repository's files as of one commit."""

    folder: Path
    commit: str


def snapshot(kind: str, name: str, revision: str, patterns: list[str], key: str) -> Snapshot:
    """Those files of the repository `name` at `revision` that match `patterns`; there may be none.

    Args:
        kind: model or dataset.
        key: of params.yaml, for messages.

    Raises `UserError` where the repository or the network is not there, or a file is not the hub's.
    """
    what = f"{key}: {name!r} at {revision!r} cannot be downloaded"
    request = {"repo_type": kind, "repo_id": name, "revision": revision, "allow_patterns": patterns}
    environment = os.environ | QUIET | {name: value for name, value in IMPATIENT.items() if name not in os.environ}

    def attempt() -> Path:
        answer = _in_a_process(request, environment)
        if "folder" in answer:
            return Path(answer["folder"])
        if answer["xet"]:
            environment["HF_HUB_DISABLE_XET"] = "1"
        if answer["again"]:
            raise Broken(answer["reason"], answer["pause"])
        raise UserError(f"{what}: {answer['reason']}")

    folder = retry(attempt, what, ATTEMPTS, PAUSE)
    for path in sorted(folder.rglob("*")):
        if path.is_symlink() and path.exists():  # where links cannot be made, the cache does not keep the sums
            _verify(path)
    return Snapshot(folder, folder.name)


def _verify(path: Path) -> None:
    """The name of what a snapshot links to is the file's sum: SHA-256 of a large one, git's SHA-1 of another.

    That may be a link again, to a file that snapshots of several models share, under a name that is not its sum.
    """
    wanted = path.readlink().name
    sums = {64: hashlib.sha256(), 40: hashlib.sha1(f"blob {path.stat().st_size}\0".encode())}
    if (digest := sums.get(len(wanted))) is None:
        return
    with path.open("rb") as file:
        while block := file.read(1 << 22):
            digest.update(block)
    if digest.hexdigest() != wanted:
        raise UserError(
            f"{path}: its sum is {digest.hexdigest()}, the hub's {wanted}; delete {path.resolve()} and run again"
        )


def _in_a_process(request: dict, environment: dict[str, str]) -> dict:
    """The answer of a transfer; one that is interrupted leaves nothing half written."""
    before = set(_partial(request))
    _forget(path for path in before if time.time() - path.stat().st_mtime > ABANDONED)
    process = subprocess.Popen(
        [sys.executable, "-m", "minimoe.hub.snapshot", json.dumps(request)],
        env=environment,
        stdout=subprocess.PIPE,
        start_new_session=True,  # the terminal's Ctrl-C is for this process
        preexec_fn=partial(end_with, os.getpid()),
    )
    try:
        said, _ = process.communicate()
    except BaseException:
        process.kill()
        process.wait()
        _forget(set(_partial(request)) - before)
        raise
    if process.returncode:
        _forget(set(_partial(request)) - before)
        raise Broken(f"the transfer ended with code {process.returncode}")
    return json.loads(said)


def _partial(request: dict) -> Iterator[Path]:
    """The cache's files of the repository that are under way; their names are never used again."""
    from huggingface_hub.constants import HF_HUB_CACHE

    repository = f"{request['repo_type']}s--{request['repo_id'].replace('/', '--')}"
    return Path(HF_HUB_CACHE, repository, "blobs").glob("*.incomplete")


def _forget(paths) -> None:
    for path in paths:
        path.unlink(missing_ok=True)


def _transfer(request: dict) -> dict:
    """Of the transferring process: what came of it."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.utils import logging

    logging.set_verbosity(logging.CRITICAL)  # what it would say of attempts, the stage does
    try:
        return {"folder": snapshot_download(**request)}
    except Exception as error:  # Xet's errors are of no class of their own
        return failure(error)


def failure(error: Exception) -> dict:
    """Whether an error may pass, after how many seconds, and whether it is Xet's."""
    from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled
    from huggingface_hub.utils import httpx

    causes = list(_causes(error))
    refusals = [cause for cause in causes if isinstance(cause, HfHubHTTPError)]
    answers = [cause.response for cause in refusals]
    broken = any(isinstance(cause, httpx.TransportError) for cause in causes)
    xet = isinstance(error, RuntimeError | ConnectionError)  # the client's own are httpx's
    refused = refusal(error)
    cut = broken or xet or "Consistency check failed" in str(error)
    again = answers[0].status_code in PASSING if answers else cut
    if refused or any(isinstance(cause, OfflineModeIsEnabled) for cause in causes):
        again = False
    # the innermost error is the reason; what is said around it may be wrong, but for what the hub itself says
    told = causes[-1] if broken or answers else error
    if isinstance(error, ValueError) and not again:
        told = error  # a card with wrong metadata
    elif answers and answers[0].status_code in (401, 403) and refusals[0].server_message:
        told = f"{refusals[0].server_message} ({answers[0].status_code})"
    reason = " ".join(str(told).split()).partition(" Please retry with")[0][:LONGEST_REASON] or type(told).__name__
    pause = asked_pause(answers[0].headers) if answers else 0.0
    return {"reason": refused or reason, "again": again, "pause": pause, "xet": xet}


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__


if __name__ == "__main__":
    print(json.dumps(_transfer(json.loads(sys.argv[1]))))
