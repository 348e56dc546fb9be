"""The one error that a user sees, and how a stage ends on it."""

import gc
import sys
from collections.abc import Callable

from minimoe.interrupts import terminated_as_interrupt

INTERRUPTED = 130  # a shell's exit code after Ctrl-C


class UserError(Exception):
    """Something the user can mend.

    The message is one line: the file, key or value; what was expected; what to do.
    """


def exit_cleanly(main: Callable[[], None]) -> None:
    """Run `main`; a `UserError` becomes one line on stderr and exit code 1, Ctrl-C or SIGTERM
    one and the shell's code for it."""
    gc.freeze()
    gc.enable()  # stages/__init__.py switched it off
    try:
        with terminated_as_interrupt():
            main()
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(INTERRUPTED)
