"""What the code never does: unpickle, run what it read, start a shell, unpack, load from afar.

A call is judged by what it resolves to, whatever name it was imported under; a name that is passed on or put into a
variable counts as much as a call. The table of forbidden snippets proves that each is found.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FILES = sorted(path for folder in ("src", "stages") for path in (ROOT / folder).rglob("*.py"))
NEVER = {  # by module or by full name; also whatever is below it
    "builtins.eval", "builtins.exec", "builtins.compile", "builtins.__import__", "builtins.globals",
    "pickle", "_pickle", "cPickle", "cloudpickle", "dill", "marshal", "shelve", "code", "codeop", "pty", "commands",
    "joblib.load", "joblib.dump", "joblib.externals.cloudpickle", "torch.save", "torch.hub", "torch.jit.load",
    "torch.package", "torch.serialization", "pandas.read_pickle", "pandas.eval", "pandas.read_hdf", "numpy.lib.format",
    "os.system", "os.popen", "os.spawnl", "os.spawnlp", "os.spawnv", "os.spawnvp", "os.startfile", "os.execl",
    "os.execlp", "os.execvp", "os.posix_spawn", "os.posix_spawnp",
    "subprocess.getoutput", "subprocess.getstatusoutput", "asyncio.create_subprocess_shell", "yaml", "ruamel.yaml.main",
    "ruamel.yaml.load", "ruamel.yaml.load_all", "ruamel.yaml.UnsafeLoader", "ruamel.yaml.Loader",
    "tarfile", "shutil.unpack_archive", "importlib.util", "importlib.machinery", "ctypes.pythonapi",
    "xml.sax", "xml.dom", "tempfile.mktemp", "ftplib", "telnetlib", "wget",
}  # fmt: skip
METHODS = {  # of objects whose class the text does not tell
    "extractall", "extract_all", "unpack_archive", "read_pickle", "to_pickle", "unsafe_load",
}  # fmt: skip
ONLY = {  # these calls, with these arguments alone
    "torch.load": {"weights_only": True},
    "numpy.load": {"allow_pickle": False},
    "ruamel.yaml.YAML": {"typ": "safe"},
    "datasets.load_dataset": {},
}
REFUSED = {"shell": False, "trust_remote_code": False, "allow_pickle": False, "weights_only": True, "verify": True}
STARTED = {f"subprocess.{name}" for name in ("run", "Popen", "call", "check_call", "check_output")} | {"os.execv"}
LOADERS = {"src/minimoe/hub/loading.py", "src/minimoe/convert/checkpoint.py"}  # files that may call from_pretrained
STARS = {"HERE": {"local_files_only": True, "trust_remote_code": False}}
BY_NAME = {  # modules by name, in files whose names are their own
    "importlib.import_module": {"src/minimoe/pipeline/repro.py", "src/minimoe/pipeline/runner.py"},
    "runpy.run_path": set(),
    "runpy.run_module": {"src/minimoe/pipeline/runner.py"},
}  # fmt: skip
BUILTINS = {"eval", "exec", "compile", "__import__", "globals", "getattr"}


def names(tree: ast.AST) -> dict[str, str]:
    """What every name stands for that an import, at any depth, or an assignment of such a name binds."""
    known = {name: f"builtins.{name}" for name in BUILTINS}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                known[alias.asname or alias.name.split(".")[0]] = (
                    alias.name if alias.asname else alias.name.split(".")[0]
                )
        elif isinstance(node, ast.ImportFrom) and not node.level:
            known |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and (found := resolved(node.value, known)):
            known |= {target.id: found for target in node.targets if isinstance(target, ast.Name)}
    return known


def resolved(node: ast.AST, known: dict[str, str]) -> str | None:
    """The full name that an expression such as `p.loads` stands for; None where it is no name of a module's."""
    match node:
        case ast.Name():
            return known.get(node.id)
        case ast.Attribute():
            base = resolved(node.value, known)
            return f"{base}.{node.attr}" if base else None
        case ast.Call(args=[object_, ast.Constant(value=str(name)), *_]) if resolved(node.func, known) == (
            "builtins.getattr"
        ):
            base = resolved(object_, known)
            return f"{base}.{name}" if base else None
    return None


def problems(text: str, place: str) -> Iterator[str]:
    """What a file does of what is never done."""
    tree = ast.parse(text)
    known = names(tree)
    for node in ast.walk(tree):
        for name in _used(node, known):
            if any(name == never or name.startswith(f"{never}.") for never in NEVER):
                yield f"{place}:{node.lineno}: {name}"
        if isinstance(node, ast.Attribute) and node.attr in METHODS:
            yield f"{place}:{node.lineno}: {node.attr}"
        if isinstance(node, ast.Call):
            yield from (f"{place}:{node.lineno}: {problem}" for problem in _call(node, known, place))


def _used(node: ast.AST, known: dict[str, str]) -> Iterator[str]:
    """The full names that a node uses or imports."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom) and not node.level:
        yield from (f"{node.module}.{alias.name}" for alias in node.names)
    elif not isinstance(getattr(node, "ctx", None), ast.Store) and (name := resolved(node, known)):
        yield name  # a field of a class may have a name that is never used


def _call(node: ast.Call, known: dict[str, str], place: str) -> Iterator[str]:
    name, given = resolved(node.func, known), _given(node)
    last = name.rpartition(".")[2] if name else getattr(node.func, "attr", "")
    for key, value in ONLY.get(name, {}).items():
        if given.get(key) != value:
            yield f"{name} without {key}={value}"
    for key, value in REFUSED.items():
        if key in given and given[key] is not value:
            yield f"{last} with {key} other than {value}"
    if last == "from_pretrained":
        if place not in LOADERS:
            yield "from_pretrained outside of the files that may load"
        if given.get("trust_remote_code") is not False or given.get("local_files_only") is not True:
            yield "from_pretrained that may run code or download"
    if name in STARTED and (not node.args or isinstance(node.args[0], ast.Constant | ast.JoinedStr | ast.BinOp)):
        yield f"{name} of a text, not of a list of words"
    if name in BY_NAME and place not in BY_NAME[name]:
        yield f"{name} by a name"


def _given(node: ast.Call) -> dict[str, object]:
    """The arguments by keyword; what is no constant is given as None, what stands for several as what it stands for."""
    given = {key.arg: getattr(key.value, "value", None) for key in node.keywords if key.arg}
    for key in node.keywords:
        if key.arg is None and isinstance(key.value, ast.Name):
            given |= STARS.get(key.value.id, {})
    return given


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_what_is_never_done(path):
    place = str(path.relative_to(ROOT))
    assert not list(problems(path.read_text(encoding="utf-8"), place))


FORBIDDEN = r"""
eval("1")
exec(text)
compile(text, "a", "exec")
run = eval; run(text)
import builtins; builtins.eval(text)
__import__("os").system("ls")
import os; os.system("dvc repro " + name)
from os import system; system("dvc repro " + name)
from os import system as start; start(name)
import os as o; o.popen(name)
import os; getattr(os, "system")(name)
import os; start = os.system; start(name)
import os; list(map(os.system, names))
import os; os.execlp("sh", "sh", "-c", name)
import pickle
import pickle as p; p.loads(data)
from pickle import loads as unpack; unpack(data)
from pickle import Unpickler
import _pickle
def f():\n    from dill import load\n    return load(file)
import marshal; marshal.loads(data)
import shelve; shelve.open(path)
import joblib; joblib.load(path)
from joblib import load; load(path)
import torch; torch.load(path)
import torch; torch.load(path, weights_only=False)
from torch import load as read; read(path)
import torch as t; t.load(path, weights_only=flag)
import torch; torch.save(state, path)
import torch; torch.hub.load("a/b", "c")
import numpy as np; np.load(path)
import numpy as np; np.load(path, allow_pickle=True)
from numpy import load; load(path)
import pandas as pd; pd.read_pickle(path)
frame.to_pickle(path)
import subprocess; subprocess.run("ls " + name, shell=True)
import subprocess; subprocess.run(words, shell=flag)
import subprocess; subprocess.run(f"ls {name}")
from subprocess import run; run("ls", shell=True)
from subprocess import check_output as out; out("ls " + name)
from subprocess import getoutput; getoutput(name)
import asyncio; asyncio.create_subprocess_shell(name)
import yaml; yaml.load(text)
from yaml import unsafe_load
from ruamel.yaml import YAML; YAML(typ="unsafe")
from ruamel.yaml import YAML as Y; Y()
import ruamel.yaml; ruamel.yaml.YAML(typ=kind)
archive.extractall(path)
import tarfile; tarfile.open(path)
import shutil; shutil.unpack_archive(path)
from shutil import unpack_archive
from importlib import import_module; import_module(name)
import importlib.util
import runpy; runpy.run_path(path)
from transformers import AutoModel; AutoModel.from_pretrained("a/b")
auto.from_pretrained(folder, local_files_only=True, trust_remote_code=True)
auto.from_pretrained(folder, **more)
import datasets; datasets.load_dataset(name, trust_remote_code=True)
import requests; requests.get(url, verify=False)
""".strip().splitlines()


@pytest.mark.parametrize("snippet", FORBIDDEN)
@pytest.mark.parametrize("place", ["src/minimoe/hub/loading.py"])
def test_each_of_these_is_found(snippet, place):
    assert list(problems(snippet.replace("\\n", "\n"), place))


ALLOWED = """
model.eval()
import re; re.compile(pattern)
import torch; torch.load(path, weights_only=True)
import numpy as np; np.load(path, allow_pickle=False)
from ruamel.yaml import YAML; YAML(typ="safe").load(text)
import subprocess; subprocess.run(["ls", name])
import subprocess; subprocess.Popen(command, env=environment)
auto.from_pretrained(folder, **HERE)
loads = str.split; loads(text)
import json; json.loads(text)
from safetensors.torch import load, save; load(data)
import os; os.execv(program, words)
""".strip().splitlines()


@pytest.mark.parametrize("snippet", ALLOWED)
def test_none_of_these_is_found(snippet):
    assert not list(problems(snippet, "src/minimoe/hub/loading.py"))


def test_models_are_loaded_in_the_files_that_may_alone():
    assert list(problems("auto.from_pretrained(folder, **HERE)", "src/minimoe/report/page.py"))


def test_what_stands_for_arguments_is_what_it_says():
    from minimoe.hub import loading

    assert STARS["HERE"] == loading.HERE
