"""How a process ends when it is asked to: SIGTERM and Ctrl-C are one thing, and both can wait for a good moment."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def terminated_as_interrupt() -> Iterator[None]:
    """SIGTERM ends the block as Ctrl-C does, so that what is open is closed; a second one is ignored."""

    def interrupt(_signal, _frame):
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def postponed() -> Iterator[Callable[[], bool]]:
    """Within the block SIGTERM and Ctrl-C are only noted; gives a function that tells whether one came.

    A second Ctrl-C interrupts at once. After the block, what was noted and not acted upon interrupts.
    """
    noted: list[int] = []

    def note(number, _frame):
        if number == signal.SIGINT and signal.SIGINT in noted:
            raise KeyboardInterrupt
        noted.append(number)

    before = {number: signal.signal(number, note) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield lambda: bool(noted)
        if noted:
            raise KeyboardInterrupt
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
