"""How a process takes what asks it to end."""

import os
import signal
import subprocess
import sys
import time

import pytest

from minimoe.system import interrupts
from minimoe.system.interrupts import postponed, terminated_as_interrupt

ENDING = [signal.SIGTERM, signal.SIGHUP]


@pytest.fixture(autouse=True)
def heeded():
    """Signals end a process, also where the tests themselves run under nohup."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.mark.parametrize("number", ENDING)
def test_who_is_asked_to_end_is_interrupted_once(number):
    with terminated_as_interrupt():
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(number)
        for again in ENDING:
            signal.raise_signal(again)
    assert signal.getsignal(number) == signal.SIG_DFL


@pytest.mark.parametrize("number", [*ENDING, signal.SIGINT])
def test_what_is_postponed_interrupts_after_the_block(number):
    with pytest.raises(KeyboardInterrupt), postponed() as asked:
        assert not asked()
        signal.raise_signal(number)
        assert asked()
        signal.raise_signal(signal.SIGTERM)
        there = True
    assert there


def test_a_second_ctrl_c_interrupts_at_once():
    there = []
    with pytest.raises(KeyboardInterrupt), postponed():
        for _ in range(2):
            signal.raise_signal(signal.SIGINT)
            there.append(True)
    assert len(there) == 1


@pytest.mark.parametrize("block", [terminated_as_interrupt, postponed])
def test_under_nohup_a_closed_terminal_ends_nothing(block):
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with block():
            signal.raise_signal(signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, before)


def test_every_ctrl_c_is_passed_on_and_the_command_is_waited_for(tmp_path):
    """A command that ends at the second one, a moment later."""
    command = (
        "import pathlib, signal, time\n"
        "try:\n    pathlib.Path('begun').touch(); time.sleep(60)\nexcept KeyboardInterrupt:\n"
        "    pathlib.Path('once').touch()\n"
        "    try:\n        time.sleep(60)\n    except KeyboardInterrupt:\n"
        "        time.sleep(0.5); pathlib.Path('saved').touch()\n"
    )
    run = (
        "import os, signal\nfrom minimoe.system import interrupts\n"
        f"interrupts.run([{sys.executable!r}, '-c', {command!r}], lambda p: os.killpg(p.pid, signal.SIGINT))\n"
    )
    process = subprocess.Popen([sys.executable, "-c", run], cwd=tmp_path, stderr=subprocess.PIPE)
    for name in ("begun", "once"):
        while not (tmp_path / name).exists():
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
    assert b"KeyboardInterrupt" in process.communicate(timeout=30)[1]
    assert (tmp_path / "saved").exists()


def test_a_process_whose_starter_has_ended_before_is_ended(monkeypatch):
    sent = []
    monkeypatch.setattr(interrupts, "_starters", lambda: [1])
    monkeypatch.setattr(os, "kill", lambda process, number: sent.append((process, number)))
    monkeypatch.setattr(os, "getpgrp", lambda: os.getpid() + 1)
    monkeypatch.setattr(os, "getpgid", lambda process: os.getpid() + 2)
    interrupts.end_with_starter()
    while not sent:
        time.sleep(0.01)
    assert sent == [(os.getpid(), signal.SIGTERM)]


def test_a_process_in_a_group_of_its_own_is_not_taken_for_an_orphan():
    """As `setsid minimoe repro` in a recipe of make."""
    code = "import time\nfrom minimoe.system import interrupts\ninterrupts.end_with_starter()\ntime.sleep(0.3)"
    assert subprocess.run([sys.executable, "-c", code], start_new_session=True).returncode == 0
