"""`make release` refuses what cannot be released, in one line, before it builds anything."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from pipeline.repository import git

ROOT = Path(__file__).parents[1]


@pytest.fixture
def project(tmp_path) -> Path:
    """The files that a release looks at, committed."""
    for name in (".ci/release.py", ".gitignore", "CHANGELOG.md", "CITATION.cff", "pyproject.toml"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    git(tmp_path, "init", "-q")
    commit(tmp_path)
    return tmp_path


def commit(folder: Path) -> None:
    git(folder, "add", "--all")
    git(folder, "commit", "-qm", "As it is", "--allow-empty")


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


def refused(folder: Path) -> str:
    """The one line that is said, before there is a folder dist."""
    done = subprocess.run([sys.executable, ".ci/release.py"], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 1 and not (folder / "dist").exists()
    (line,) = done.stderr.splitlines()
    return line


def test_a_tree_that_differs_from_its_commit(project):
    (project / "more.py").touch()
    assert refused(project) == "release: ?? more.py: differs from the commit; commit or remove it"


def test_a_version_that_the_changelog_does_not_know(project):
    edit(project / "pyproject.toml", '\nversion = "', '\nversion = "9')
    commit(project)
    assert refused(project).startswith("release: CHANGELOG.md: expected a heading '## 9")


def test_a_citation_of_another_version(project):
    edit(project / "CITATION.cff", "\nversion: ", "\nversion: 9")
    commit(project)
    assert refused(project).startswith("release: CITATION.cff: expected 'version: ")


@pytest.mark.parametrize("annotated", [[], ["-a", "-m", "Released"]])
def test_a_version_that_is_tagged_at_another_commit(project, annotated):
    version = (project / "pyproject.toml").read_text().partition('\nversion = "')[2].partition('"')[0]
    git(project, "tag", *annotated, f"v{version}")
    commit(project)
    assert refused(project).startswith(f"release: v{version} is tagged at another commit, ")


def test_what_is_released_is_what_stands_here():
    """The version of pyproject.toml has its entry, and is the one to cite."""
    version = (ROOT / "pyproject.toml").read_text().partition('\nversion = "')[2].partition('"')[0]
    assert f"\n## {version}\n" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert f"\nversion: {version}\n" in (ROOT / "CITATION.cff").read_text(encoding="utf-8")
