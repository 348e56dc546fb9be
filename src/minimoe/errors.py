"""The one error that a user sees, and how a stage ends on it."""

import sys
from collections.abc import Callable


class UserError(Exception):
    """Something the user can mend.

    The message is one line: the file, key or value; what was expected; what to do.
    """


def exit_cleanly(main: Callable[[], None]) -> None:
    """Run `main`; a `UserError` becomes one line on stderr and exit code 1."""
    try:
        main()
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(1)
