"""README and docs: links lead somewhere, commands parse, settings are valid, imports exist, nothing is stale."""

import ast
import importlib
import re
import shlex
import subprocess
import sys
from functools import cache
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest
import yaml
from dvc.cli.parser import DvcParserError, get_main_parser
from pydantic import ValidationError

from minimoe.__main__ import _parser
from minimoe.params import Params

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
FENCE = re.compile(r"(?ms)^```(\w*)\n(.*?)^```$")
LINK = re.compile(r"\]\(([^)\s]+)\)")
SET = re.compile(r"^[A-Z_]+=")
OTHERS = {"cp", "grep", "hf", "pip", "tr", "uv", "cd", "source", "srun", "sbatch", "scontrol", "kubectl", "ray"}
OTHERS |= {"dask", "ssh", "apptainer"}


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def blocks(language: str) -> list:
    found = [
        (page, text) for page in PAGES for kind, text in FENCE.findall(page.read_text("utf-8")) if kind == language
    ]
    return [pytest.param(text, id=f"{name(page)}-{i}") for i, (page, text) in enumerate(found)]


def anchors(page: Path) -> set[str]:
    text = FENCE.sub("", page.read_text(encoding="utf-8"))
    titles = [re.sub(r"[`*]|\]\([^)]*\)", "", title).lower() for title in re.findall(r"(?m)^#+ (.*)$", text)]
    return {re.sub(r"[^\w\- ]", "", title).replace(" ", "-") for title in titles}


def broken(page: Path, text: str) -> list[str]:
    """Links of a page whose file or heading is missing."""
    found = []
    for link in LINK.findall(FENCE.sub("", text)):
        path, _, anchor = link.partition("#")
        target = (page.parent / path) if path else page
        if "://" not in link and not (target.exists() and (not anchor or anchor in anchors(target))):
            found.append(link)
    return found


def commands(text: str) -> list[list[str]]:
    """The commands of a shell block as lists of words, without what sets variables."""
    found = []
    for line in re.sub(r"\\\n", " ", text).splitlines():
        lexer = shlex.shlex(line, posix=True, punctuation_chars="&|;")
        lexer.whitespace_split = True
        words = list(lexer)
        while words:
            end = next((i for i, word in enumerate(words) if set(word) <= set("&|;")), len(words))
            command = words[:end]
            while command and SET.match(command[0]):
                command = command[1:]
            found += [command] if command else []
            words = words[end + 1 :]
    return found


@cache
def git_commands() -> set[str]:
    return set(subprocess.run(["git", "--list-cmds=main"], capture_output=True, text=True).stdout.split())


@cache
def usage(*command: str) -> str:
    """What a program's help says; empty where there is no such program."""
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    return "" if done.returncode == 1 else done.stdout + done.stderr  # git's own help exits with 129


def has_options(words: list[str], help_command: list[str]) -> None:
    """Assert that the program of `help_command` exists and knows the options among `words`."""
    shown = usage(*help_command)
    assert shown, help_command
    for option in (word.partition("=")[0] for word in words if word.startswith("-")):
        assert re.search(rf"(?<![\w-]){re.escape(option)}(?![\w-])", shown), (help_command, option)


def check(command: list[str]) -> None:
    """Parse a command by the command line that it is for; SystemExit or AssertionError where it is wrong."""
    match command:
        case ["make", *words]:
            phony = re.search(r"(?m)^\.PHONY: (.*)$", (ROOT / "Makefile").read_text())[1].split()
            assert all(word in phony or "=" in word for word in words), command
        case ["minimoe", *words] | ["python", "-m", "minimoe", *words]:
            _parser().parse_args(words)
        case ["python", "-m", module, *words]:
            has_options(words, [sys.executable, "-m", module, "--help"])
        case ["python", script, *_]:
            assert (ROOT / script).exists(), command
        case ["dvc", *words]:
            get_main_parser().parse_args(words)
        case ["mlflow", *words]:
            from mlflow.cli import cli

            sub = cli.get_command(None, words[0])
            assert sub, command
            sub.make_context(words[0], list(words[1:]))
        case ["wikiextractor", *words]:
            has_options(words, ["wikiextractor", "--help"])
        case ["git", sub, *_]:
            assert sub in git_commands(), command
            has_options(command[2:], ["git", sub, "-h"])
        case [program, *_]:
            assert program in OTHERS, command


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_links_lead_to_files_and_headings(page):
    assert broken(page, page.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("text", blocks("sh"))
def test_commands_parse(text):
    for command in commands(text):
        check(command)


@pytest.mark.parametrize("text", blocks("yaml"))
def test_settings_are_valid_as_a_difference_to_the_sample(text):
    check_settings(text)


@pytest.mark.parametrize("path", sorted((ROOT / "docs/results").glob("*.yaml")), ids=name)
def test_settings_of_results_are_valid(path):
    check_settings(path.read_text(encoding="utf-8"))


def check_settings(text: str) -> None:
    """Validate a block of YAML as a part of params.yaml: all of the blocks in our pages are that."""
    said = yaml.safe_load(text)
    values = yaml.safe_load((ROOT / "profiles/sample.yaml").read_text(encoding="utf-8"))
    rows = ["teacher", *(model for key in ("taught", "export") for model in said.get(key, {}).get("models", []))]
    table, export = values["table"] | {"models": rows}, {"models": [], "tasks": []} | said.get("export", {})
    Params.model_validate(merged(values, said) | {"table": table, "export": export})


def merged(values: dict, said: dict) -> dict:
    """Sections are merged; rounds are those of the block alone."""
    both = values | said
    for key in said:
        if key != "rounds" and isinstance(values.get(key), dict) and isinstance(said[key], dict):
            both[key] = merged(values[key], said[key])
    return both


@pytest.mark.parametrize("text", blocks("python"))
def test_python_compiles_and_its_imports_exist(text):
    check_python(text)


def check_python(text: str) -> None:
    """Compile a block of Python and import what it imports."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ImportFrom):
            module = importlib.import_module(node.module)
            assert all(hasattr(module, alias.name) for alias in node.names)
        elif isinstance(node, ast.Import):
            assert all(importlib.import_module(alias.name) for alias in node.names)


def stale_pages(docs: Path) -> list[str]:
    """The pages in the folder `docs` that differ from what generate.py would write."""
    spec = spec_from_file_location("generate", ROOT / "docs/generate.py")
    generate = module_from_spec(spec)
    spec.loader.exec_module(generate)
    return [page for page, made in generate.PAGES.items() if (docs / page).read_text(encoding="utf-8") != made()]


def test_generated_pages_are_up_to_date():
    assert stale_pages(ROOT / "docs") == [], "run: python docs/generate.py"


def test_a_stale_page_is_found(tmp_path):
    for page in ("parameters.md", "tree.md"):
        (tmp_path / page).write_text((ROOT / "docs" / page).read_text(encoding="utf-8"), encoding="utf-8")
    text = (tmp_path / "tree.md").read_text(encoding="utf-8")
    (tmp_path / "tree.md").write_text(text.replace("`api.py`", "`gone.py`"), encoding="utf-8")
    assert stale_pages(tmp_path) == ["tree.md"]


@pytest.mark.slow
@pytest.mark.parametrize(
    "command",
    ["make nothing", "minimoe profil", "minimoe plan --gpus 2", "dvc exp rum", "dvc repro --parallel", "git comit",
     "git commit --mesage x", "python -m faults --shrt",
     "python -m nothing", "python -m benchmarks --tables", "python docs/none.py", "mlflow nothing", "nothing"],
)  # fmt: skip
def test_wrong_commands_are_found(command):
    with pytest.raises((SystemExit, AssertionError, DvcParserError)):
        check(command.split())


@pytest.mark.parametrize(
    "text", ["roundz: {}", "distill: {batch: -1}", "rounds: {a: {teacher: models/teacher, students: {s: {layer: 2}}}}"]
)
def test_wrong_settings_are_found(text):
    with pytest.raises(ValidationError):
        check_settings(text)


@pytest.mark.parametrize(
    ("text", "error"),
    [("from minimoe.api import nothing", AssertionError), ("import minimoe.nothing", ImportError), ("f(", SyntaxError)],
)
def test_wrong_python_is_found(text, error):
    with pytest.raises(error):
        check_python(text)


def test_broken_links_are_found():
    page = ROOT / "README.md"
    assert broken(page, "[a](none.md) [b](#nowhere) [c](docs/methods.md#nowhere)") == [
        "none.md", "#nowhere", "docs/methods.md#nowhere",
    ]  # fmt: skip


def test_readme_is_short():
    assert (ROOT / "README.md").stat().st_size <= 10_000
