"""Errors that users can fix, shown as one line, and the exit codes of a stage."""

import errno
import gc
import os
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from minimoe.system.interrupts import terminated_as_interrupt

INTERRUPTED = 130  # a shell's exit code after Ctrl-C
REMEDIES = {  # what to do about errors of the operating system
    errno.ENOSPC: "make room and run again",
    errno.EDQUOT: "make room and run again",
    errno.EFBIG: "allow larger files (ulimit -f) and run again",
    errno.EROFS: "make the folder writable and run again",
    errno.EACCES: "make it accessible and run again",
    errno.EPERM: "make it accessible and run again",
    errno.EEXIST: "expected a folder there; move the file away and run again",
    errno.ENOTDIR: "expected a folder there; move the file away and run again",
    errno.EIO: "check the disk and run again",
    errno.EMFILE: "allow more open files (ulimit -n) and run again",
    errno.ENOMEM: "free memory and run again",
}
FAILURE = "MINIMOE_FAILURE"  # the variable that names a file for the message, where several processes do one's work


class UserError(Exception):
    """Something the user can fix.

    The message is one line: the file, key or value; what was expected; what to do. What a file holds may stand in it:
    a line end becomes a space, and what cannot be printed, such as a terminal's commands, a question mark.
    """

    def __init__(self, message: str) -> None:
        shown = (" " if letter in "\r\n" else letter if letter.isprintable() else "?" for letter in message)
        super().__init__("".join(shown))


LONGEST_REASON = 300  # characters of what a library says, which may be a page


@contextmanager
def readable(place: str, remedy: str) -> Iterator[None]:
    """Turn whatever a library raises over a damaged or wrong file into a `UserError`."""
    try:
        yield
    except (UserError, MemoryError):
        raise
    except Exception as error:  # a damaged file can raise anything
        reason = " ".join(str(error).split())[:LONGEST_REASON] or type(error).__name__
        raise UserError(f"{place}: {reason}; {remedy}") from None


def exit_cleanly(main: Callable[[], None]) -> None:
    """Run `main`; a `UserError` becomes one line on stderr and exit code 1, an interrupt one and the shell's code.

    An interrupt is Ctrl-C or SIGTERM. What the system refuses, such as a full disk, is one line as well.
    """
    gc.freeze()
    gc.enable()  # stages/__init__.py switched it off
    try:
        with terminated_as_interrupt():
            main()
    except UserError as error:
        _tell(str(error))
        sys.exit(1)
    except KeyboardInterrupt:
        if FAILURE not in os.environ:  # else whoever started these processes says so
            print("interrupted", file=sys.stderr)
        sys.exit(INTERRUPTED)
    except Exception as error:
        if not (line := refusal(error)):
            raise
        _tell(line)
        sys.exit(1)


def refusal(error: Exception) -> str | None:
    """One line for an error of the operating system, with what to do; None for any other error."""
    if (number := _number(error)) not in REMEDIES:
        return None
    place = f"{error.filename}: " if isinstance(error, OSError) and error.filename else ""
    return f"{place}{os.strerror(number)}; {REMEDIES[number]}"


def _number(error: Exception) -> int | None:
    """The system's number of an error, which libraries give in the text, or not at all."""
    # "(os error 28)" where it is written in Rust, as safetensors and tokenizers are; shutil quotes "[Errno 28]"
    if found := re.search(r"(?:\(os error |\[Errno )(\d+)[])]", str(error)):
        return int(found[1])
    if re.fullmatch(r"\d+ requested and \d+ written", str(error)):  # NumPy
        return errno.ENOSPC
    return error.errno if isinstance(error, OSError) else None


def _tell(message: str) -> None:
    """Print the message, or leave it to `launch`, which prints that of the first process to fail."""
    if FAILURE not in os.environ:
        print(f"error: {message}", file=sys.stderr)
        return
    try:
        with Path(os.environ[FAILURE]).open("x", encoding="utf-8") as file:
            file.write(message)
    except FileExistsError:
        pass
