"""How a stage ends: in one line where the user can fix it."""

import errno
import os
import shutil

import pytest

from minimoe.system.errors import UserError, exit_cleanly, readable


def full():
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "models/base")


def full_in_rust():
    raise RuntimeError("Error while serializing: I/O error: No space left on device (os error 28)")


def full_in_shutil():
    raise shutil.Error([("a/model", "b/model", "[Errno 28] No space left on device: 'a/model' -> 'b/model'")])


def full_in_numpy():
    raise OSError("37093 requested and 2048 written")


def bad():
    raise UserError("seed: expected a number, got 'x'")


@pytest.mark.parametrize("main, line", [
    (bad, "error: seed: expected a number, got 'x'"),
    (full, "error: models/base: No space left on device; make room and run again"),
    (full_in_shutil, "error: No space left on device; make room and run again"),
    (full_in_numpy, "error: No space left on device; make room and run again"),
    (full_in_rust, "error: No space left on device; make room and run again"),
])  # fmt: skip
def test_what_a_user_can_mend_is_one_line(main, line, capsys):
    with pytest.raises(SystemExit) as ended:
        exit_cleanly(main)
    assert ended.value.code == 1
    assert capsys.readouterr().err == f"{line}\n"


@pytest.mark.parametrize("error", [ValueError("defect"), OSError(errno.EBADF, "defect")])
def test_a_defect_is_not_hidden(error):
    def main():
        raise error

    with pytest.raises(type(error)):
        exit_cleanly(main)


def test_what_a_file_holds_cannot_command_a_terminal_or_break_the_line():
    assert str(UserError("a\x1b[2J\nb\rc\u202e é")) == "a?[2J b c? é"


@pytest.mark.parametrize("error", [MemoryError(), UserError("own words"), KeyboardInterrupt()])
def test_what_is_not_the_files_fault_stays_what_it_is(error):
    with pytest.raises(type(error)) as raised, readable("a.json", "get it again"):
        raise error
    assert raised.value is error


def test_whatever_a_library_raises_over_a_file_is_one_short_line():
    with pytest.raises(UserError) as raised, readable("a.json", "get it again"):
        raise KeyError("x\n" * 9999)
    assert str(raised.value).startswith("a.json: ") and str(raised.value).endswith("; get it again")
    assert len(str(raised.value)) < 400
