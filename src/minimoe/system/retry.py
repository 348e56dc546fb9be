"""Retry downloads that failed for a passing reason.

Differs from urllib3's `Retry`, which ends when an answer's header has come: a body that breaks off after it, as those
of large files do, is neither requested again nor resumed. Attempts are counted from the last one that brought
something, because a dump that takes hours may break off often. The hub's client makes its own requests, which share
the loop.
"""

import sys
import time
from collections.abc import Callable, Mapping
from typing import TypeVar

from minimoe.system.errors import UserError

LONGEST_PAUSE = 60.0  # seconds
PASSING = {408, 429, 500, 502, 503, 504}  # answers that another attempt may not get
Result = TypeVar("Result")


class Broken(Exception):
    """A failed attempt that is worth another; `pause` is what the server asked to wait, in seconds."""

    def __init__(self, reason: str, pause: float = 0.0) -> None:
        super().__init__(reason)
        self.pause = pause


def retry(
    attempt: Callable[[], Result],
    what: str,
    attempts: int,
    pause: float = 1.0,
    progress: Callable[[], int] = int,
    left: Callable[[], str] = lambda: "check the network and run again",
) -> Result:
    """Call `attempt` until it does not raise `Broken`, and return its result; prints one line before each retry.

    Args:
        what: begins every message.
        attempts: without progress, in a row.
        pause: seconds before the second attempt; doubled before each further one.
        progress: how far the work has come; it grows when an attempt has brought something.
        left: what the last message ends with.

    Raises `UserError` after the last attempt.
    """
    failures, furthest = 0, progress()
    while True:
        try:
            return attempt()
        except Broken as error:
            reason, wanted = " ".join(str(error).split()), error.pause
        failures = 1 if progress() > furthest else failures + 1
        furthest = max(furthest, progress())
        if failures == attempts:
            raise UserError(f"{what}: nothing new in {attempts} attempts, the last: {reason}; {left()}")
        seconds = min(max(pause * 2 ** (failures - 1), wanted), LONGEST_PAUSE)
        print(f"{what}: {reason}; attempt {failures + 1} of {attempts} in {seconds:g} s", file=sys.stderr)
        time.sleep(seconds)


def asked_pause(headers: Mapping[str, str]) -> float:
    """The seconds that a server asks to wait."""
    asked = headers.get("Retry-After", "")
    return float(asked) if asked.isdecimal() else 0.0
