"""Run a transfer to or from the Hugging Face hub in a process of its own, and try again what may pass.

The hub's clients cannot be interrupted; the process can be killed. It reads a request from its input and says in JSON
how it went:

    minimoe ── python -m minimoe.hub.snapshot | minimoe.publish.push        {"done": …} or {"reason": …, "again": …}

Xet, which large files come by, has hosts of its own that not every network lets through: where it fails, the next
attempt takes plain HTTP.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial

from minimoe.system.errors import LONGEST_REASON, UserError, refusal
from minimoe.system.interrupts import end_with
from minimoe.system.retry import PASSING, Broken, asked_pause, retry

ATTEMPTS = 4  # each of which tries broken connections again itself
PAUSE = 2.0  # seconds before the second one
QUIET = {"HF_HUB_DISABLE_TELEMETRY": "1", "HF_UPDATE_DOWNLOAD_COUNTS": "0"}
# of Xet: by default it tries for minutes without a word
IMPATIENT = {
    "HF_XET_CLIENT_RETRY_MAX_ATTEMPTS": "3",
    "HF_XET_CLIENT_RETRY_MAX_DURATION": "20s",
    "HF_XET_CLIENT_READ_TIMEOUT": "20s",
}


def transfer(module: str, request: dict, what: str, clean: Callable[[], None] = lambda: None) -> str:
    """Run the transfer that `module` does when it is run, and return what it says.

    Args:
        request: what it reads, as JSON.
        what: what cannot be done if it fails, for messages.
        clean: called after a process that was killed, or broke off.

    Raises:
        UserError: what the hub or the network answered, to the last attempt.
    """
    environment = os.environ | QUIET | {name: value for name, value in IMPATIENT.items() if name not in os.environ}

    def attempt() -> str:
        answer = _in_a_process(module, request, environment, clean)
        if "done" in answer:
            return answer["done"]
        if answer["xet"]:
            environment["HF_HUB_DISABLE_XET"] = "1"
        if answer["again"]:
            raise Broken(answer["reason"], answer["pause"])
        raise UserError(f"{what}: {answer['reason']}")

    return retry(attempt, what, ATTEMPTS, PAUSE)


def _in_a_process(module: str, request: dict, environment: dict[str, str], clean: Callable[[], None]) -> dict:
    process = subprocess.Popen(
        [sys.executable, "-m", module],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,  # the terminal's Ctrl-C is for this process
        preexec_fn=partial(end_with, os.getpid()),
    )
    try:
        said, _ = process.communicate(json.dumps(request).encode())
    except BaseException:
        process.kill()
        process.wait()
        clean()
        raise
    if process.returncode:
        clean()
        raise Broken(f"the transfer ended with code {process.returncode}")
    return json.loads(said)


def answer(work: Callable[..., str]) -> None:
    """Of the transferring process: read the request, do the work with it, and say what came of it."""
    from huggingface_hub.utils import logging

    logging.set_verbosity(logging.CRITICAL)  # what it would say of attempts, the other process does
    try:
        said = {"done": work(**json.load(sys.stdin))}
    except Exception as error:  # Xet's errors are of no class of their own
        said = _failure(error)
    print(json.dumps(said))


def _failure(error: Exception) -> dict:
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
