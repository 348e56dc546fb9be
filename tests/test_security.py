"""What the code never does, found in its text: unpickle, run what it read, start a shell, unpack, load from afar."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FILES = sorted(path for folder in ("src", "stages") for path in (ROOT / folder).rglob("*.py"))
NEVER = {
    "eval", "exec", "pickle.load", "pickle.loads", "marshal.load", "marshal.loads", "shelve.open", "joblib.load",
    "pd.read_pickle", "os.system", "os.popen", "subprocess.getoutput", "subprocess.getstatusoutput", "yaml.load",
    "yaml.unsafe_load", "extractall", "unpack_archive", "tarfile.open", "torch.hub.load", "compile",
}  # fmt: skip
STARTED = {"run", "Popen", "call", "check_call", "check_output"}  # of subprocess
ONLY = {  # these calls, with these arguments alone
    "torch.load": {"weights_only": True},
    "np.load": {"allow_pickle": False},
    "YAML": {"typ": "safe"},
}
LOADERS = {"src/minimoe/pretrained.py", "src/minimoe/convert/write.py"}  # files that may call from_pretrained
STARS = {"HERE": {"local_files_only": True, "trust_remote_code": False}}


def calls(path: Path) -> Iterator[tuple[str, dict, ast.Call]]:
    """Every call in a file: the name as it is written, its constant arguments by keyword, the call."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call):
            given = {key.arg: getattr(key.value, "value", None) for key in node.keywords if key.arg}
            for key in node.keywords:
                if key.arg is None and isinstance(key.value, ast.Name):
                    given |= STARS.get(key.value.id, {})
            yield ast.unparse(node.func), given, node


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_what_is_never_done(path):
    for name, given, call in calls(path):
        where = f"{path.relative_to(ROOT)}:{call.lineno}: {name}"
        assert name not in NEVER and name.rpartition(".")[2] not in {"extractall", "unpack_archive"}, where
        assert not given.get("shell") and given.get("trust_remote_code") is not True, where
        for key, value in ONLY.get(name, {}).items():
            assert given.get(key) == value, where
        if name.rpartition(".")[2] == "from_pretrained":
            assert str(path.relative_to(ROOT)) in LOADERS, where
            assert given.get("trust_remote_code") is False and given.get("local_files_only") is True, where
        if name.startswith("subprocess.") and name.rpartition(".")[2] in STARTED:
            assert isinstance(call.args[0], ast.List | ast.Name), where


def test_the_words_are_those_that_the_code_would_use():
    found = {name for path in FILES for name, _, _ in calls(path)}
    assert {
        "torch.load",
        "np.load",
        "YAML",
        "subprocess.run",
        "subprocess.Popen",
        "AutoTokenizer.from_pretrained",
    } <= found


def test_what_stands_for_arguments_is_what_it_says():
    from minimoe import pretrained

    assert STARS["HERE"] == pretrained.HERE
