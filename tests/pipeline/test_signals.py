"""Nothing outlives its run: whoever is asked to end or killed, all others end, save first, and the next run goes on.

The real graph and commands; one stage that takes its time stands in for all that train.
"""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
import yaml
from pipeline.repository import ROOT, environment, params

from minimoe.resume import work
from minimoe.system.errors import UserError

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process that its parent has ended"),
]
STAGE = """
import os, sys, time
from pathlib import Path
from minimoe.system.interrupts import postponed
from stages import run, stub

def main():
    settings = stub.settings(f"rounds/{sys.argv[1]}")
    stub.settings = lambda name: dict(settings)  # as they are now
    kept = Path("work/kept")
    done = int(kept.read_text()) if kept.exists() else 0
    with postponed() as asked:
        for step in range(done, int(os.environ.get("STEPS", 0)) if sys.argv[1] == "base" else 0):
            Path("work/at").write_text(str(step))
            if Path("work/finish").exists():
                break
            if asked():
                time.sleep(1)  # saving takes its time
                kept.write_text(str(step))
                raise KeyboardInterrupt
            time.sleep(0.05)
    kept.unlink(missing_ok=True)
    stub.main("distill")

if __name__ == "__main__":
    run(main)
"""
COMMANDS = {
    "make": ["make", "-o", ".venv/.installed", "repro"],
    "repro": [sys.executable, "-m", "minimoe", "repro"],
    "dvc": [sys.executable, "-m", "dvc", "repro", "distill@base"],
    "stage": [sys.executable, "-m", "stages.distill", "base"],
}
ENDLESS, SHORT = 10**6, 60  # steps
GONE_SECONDS = 15  # in which all processes end


@pytest.fixture
def folder(repository):
    """A repository in which a round is to run anew, by a stage that takes its time."""
    (repository / "stages/distill.py").write_text(STAGE)
    train_for(repository, epochs=7)
    for file in ("Makefile", "pyproject.toml", "requirements.txt"):
        shutil.copy(ROOT / file, repository)
    (repository / ".venv").symlink_to(sys.prefix)
    return repository


def train_for(folder: Path, epochs: int) -> None:
    """Edit the params, and have the stages' settings follow."""
    values = params()
    values["distill"]["epochs"] = epochs
    (folder / "params.yaml").write_text(yaml.safe_dump(values))
    subprocess.run([sys.executable, "-m", "stages.settings"], cwd=folder, env=environment(), check=True)


class Started:
    """A command under way in a session of its own, its stage at work."""

    def __init__(self, folder: Path, command: str, steps: int = ENDLESS, **more: str):
        self.folder = folder
        (folder / "work/at").unlink(missing_ok=True)
        self.process = subprocess.Popen(
            COMMANDS[command], cwd=folder, env=environment() | {"STEPS": str(steps)} | more, start_new_session=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        wait_for(lambda: (folder / "work/at").exists() or self.process.poll() is not None)
        assert self.process.poll() is None, self.process.stdout.read()
        self.all = [psutil.Process(self.process.pid), *psutil.Process(self.process.pid).children(recursive=True)]

    def one(self, part: str) -> psutil.Process:
        """The process whose command line has this in it."""
        return next(process for process in reversed(self.all) if part in " ".join(process.cmdline()))

    def gone(self) -> str:
        """Wait until no process is left; what they said."""
        said, _ = self.process.communicate(timeout=60)
        assert not psutil.wait_procs(self.all, timeout=GONE_SECONDS)[1], said
        assert not [p for p in psutil.process_iter(["cwd"]) if p.info["cwd"] == str(self.folder.resolve())]
        return said


def wait_for(condition) -> None:
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def made(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.glob("m*/**/*base*/**/*")) if p.is_file()}


def finished_by(folder: Path, command: str) -> dict[str, bytes]:
    """What the round's outputs are when the command has ended well."""
    done = subprocess.run(COMMANDS[command], cwd=folder, env=environment(), capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return made(folder)


WHOM = {"make": "make -o", "repro": "minimoe repro", "dvc": "dvc", "stage": "stages.distill"}
CASES = [  # what is started, who of it gets which signal
    ("make", "make", signal.SIGTERM),
    ("make", "make", signal.SIGKILL),
    ("make", "all", signal.SIGINT),
    ("repro", "repro", signal.SIGTERM),
    ("repro", "repro", signal.SIGINT),
    ("repro", "repro", signal.SIGHUP),
    ("repro", "repro", signal.SIGKILL),
    ("dvc", "dvc", signal.SIGTERM),
    ("dvc", "all", signal.SIGINT),
    ("dvc", "dvc", signal.SIGKILL),
    ("stage", "stage", signal.SIGTERM),
    ("stage", "stage", signal.SIGINT),
    ("stage", "stage", signal.SIGHUP),
]


@pytest.mark.parametrize(("command", "whom", "number"), CASES)
def test_who_is_ended_takes_all_along_and_they_save(folder, command, whom, number):
    whole = finished_by(folder, "stage")
    shutil.rmtree(folder / "models/base")
    started = Started(folder, command)
    if whom == "all":  # as Ctrl-C in a terminal does
        os.killpg(started.process.pid, number)
    else:
        started.one(WHOM[whom]).send_signal(number)
    said = started.gone()
    assert started.process.returncode != 0
    assert "Traceback" not in said
    assert (folder / "work/kept").exists(), said
    assert not (folder / "models/base").exists()
    if whom in ("repro", "stage") and number != signal.SIGKILL:
        assert started.process.returncode == 130
        assert said.splitlines()[-1] == "interrupted"
    assert finished_by(folder, "dvc" if command == "dvc" else "stage") == whole


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_shell_between_dvc_and_the_stage_is_no_parent_to_outlive_dvc_with(folder, tmp_path, number):
    shell = tmp_path / "staysh"
    shell.write_text('#!/bin/sh\n/bin/sh "$@"\nexit $?\n')
    shell.chmod(0o755)
    started = Started(folder, "dvc", SHELL=str(shell))
    assert started.one("staysh")
    started.one(WHOM["dvc"]).send_signal(number)
    started.gone()
    assert (folder / "work/kept").exists()


def test_sigint_to_dvc_alone_ends_nothing_and_leaves_nobody(folder):
    """DVC leaves SIGINT to its stage, as the terminal's Ctrl-C reaches both; so does make."""
    started = Started(folder, "dvc", SHORT)
    started.one(WHOM["dvc"]).send_signal(signal.SIGINT)
    assert "interrupted" not in started.gone()
    assert not (folder / "work/kept").exists() and made(folder)


def test_an_orphan_never_overwrites_newer_results(folder):
    old = finished_by(folder, "stage")
    orphan = Started(folder, "stage")
    train_for(folder, epochs=8)
    newer = subprocess.Popen(COMMANDS["stage"], cwd=folder, env=environment())
    time.sleep(3)  # it would have ended by now
    (folder / "work/finish").touch()
    orphan.process.communicate(timeout=60)
    assert newer.wait(timeout=60) == 0
    new = made(folder)
    assert new != old
    assert finished_by(folder, "stage") == new


def test_who_waits_in_vain_for_another_process_says_so(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(work, "PATIENCE", 0.1)
    with work.alone("finetune base/minilm rte"):
        with work.alone("finetune base/minilm conll2003"):
            pass
        with pytest.raises(UserError, match=r"^finetune base/minilm rte: another process is doing the same; wait"):
            work.alone("finetune base/minilm rte").__enter__()
    with work.alone("finetune base/minilm rte"):
        pass


def test_ctrl_c_while_a_stage_imports_ends_it_without_a_page(folder):
    (folder / "stages/distill.py").write_text(
        "from pathlib import Path\nimport time\nimport stages\nPath('work/at').touch()\ntime.sleep(60)\n"
    )
    started = Started(folder, "stage")
    started.process.send_signal(signal.SIGINT)
    assert "Traceback" not in started.gone()
    assert started.process.returncode == -signal.SIGINT
