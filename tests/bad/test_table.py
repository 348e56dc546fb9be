"""Bad input of every stage, by the tables beside: one line that names place and remedy, exit code 1, nothing written.

The stages run in this process, in a copy of a tiny repository; a few run once more as processes of their own.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from bad import cells, corpus, models, records, rounds, tasks, values, world
from bad.harm import params

ROOT = Path(__file__).parents[2]
TABLES = {
    "corpus": corpus, "tasks": tasks, "records": records, "models": models, "rounds": rounds, "cells": cells,
}  # fmt: skip
CASES = {f"{kind}: {name}": case for kind, table in TABLES.items() for name, case in table.CASES.items()}
# one of each stage's
PROCESSES = [next(name for name, case in CASES.items() if case.stage.split()[0] == stage) for stage in (
    "download", "extract", "format", "tokenizer", "records", "teacher", "tasks", "sparsify", "distill", "finetune",
    "cost", "report",
)]  # fmt: skip


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """The repository, whose pipeline has run without an error."""
    root = tmp_path_factory.mktemp("made")
    world.make(root)
    return root


@pytest.fixture
def harmed(made, tmp_path):
    """A copy of the repository after the harm of a case, and all that is in it."""

    def harm(name: str):
        root = world.copy(made, tmp_path / "repository")
        CASES[name].harm(root)
        world.run("settings", root)
        return root, world.tree(root)

    return harm


def check(name: str, code: int, errors: str) -> None:
    lines = errors.splitlines()  # of which the last but one may be a progress bar's
    told = [line for line in lines if line.startswith("error: ")]
    assert code == 1 and len(told) == 1 and lines[-1] == told[0], errors
    assert CASES[name].place in told[0] and CASES[name].remedy in told[0]
    assert len(told[0]) < 600 and told[0].isprintable()


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_a_bad_input_is_one_line_and_no_output(harmed, name):
    root, before = harmed(name)
    code, _, errors = world.run(CASES[name].stage, root)
    check(name, code, errors)
    assert world.tree(root) == before


@pytest.mark.slow
@pytest.mark.parametrize("name", PROCESSES)
def test_a_process_of_its_own_ends_likewise(harmed, name):
    root, before = harmed(name)
    done = subprocess.run(
        [sys.executable, "-m", f"stages.{CASES[name].stage.split()[0]}", *CASES[name].stage.split()[1:]],
        cwd=root,
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "src")])},
        capture_output=True,
        text=True,
    )
    check(name, done.returncode, done.stderr)
    assert world.tree(root) == before


def test_archives_are_streams_of_text_whatever_their_members_names(made, tmp_path):
    root = world.copy(made, tmp_path / "repository")
    text = "".join(f"句子{number}。\n\n" for number in range(9))
    corpus.archive("cluecorpus", {"../../../evil.txt": text, "/evil.txt": text, "C:\\evil.txt": text})(root)
    before = world.tree(tmp_path)
    assert world.run("extract", root)[0] == 0
    changed = {name for name in world.tree(tmp_path).items() ^ before.items()}
    assert changed and all(
        name.startswith("repository/data/extracted") or name == "repository/data" for name, _ in changed
    )


def test_so_many_are_tried():
    assert len(CASES) + len(values.EVERY_KEY) + len(values.NAMES) + len(values.DISAGREE) + len(values.FILES) >= 250


@pytest.mark.slow
def test_a_launcher_gets_words_and_no_shell(made, tmp_path):
    root = world.copy(made, tmp_path / "repository")
    params({"runtime.launcher": f"{sys.executable} -c pass ; touch ran $(touch ran)"})(root)
    command = [sys.executable, "-m", "stages.distill", "base"]
    path = os.pathsep.join([str(ROOT), str(ROOT / "src")])
    subprocess.run(command, cwd=root, env=os.environ | {"PYTHONPATH": path}, check=True, capture_output=True)
    assert not (root / "ran").exists()
