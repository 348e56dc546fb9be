"""A repository whose pipeline has run: the real graph, and stages that stand in."""

import shutil
from pathlib import Path

import pytest
import yaml
from pipeline.repository import ROOT, dvc, git, params

STAGES = [path.stem for path in (ROOT / "stages").glob("[a-z]*.py")]


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Path:
    """A repository whose pipeline has run."""
    folder = tmp_path_factory.mktemp("repository")
    shutil.copy(ROOT / "dvc.yaml", folder)
    shutil.copy(ROOT / ".dvcignore", folder)
    shutil.copytree(ROOT / "data" / "sample", folder / "data" / "sample")
    shutil.copytree(ROOT / "src", folder / "src", ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    (folder / "stages").mkdir()
    shutil.copy(Path(__file__).parent / "stub.py", folder / "stages")
    for stage in STAGES:
        (folder / "stages" / f"{stage}.py").write_text(f"from stages.stub import main\n\nmain({stage!r})\n")
    for real in ("__init__", "settings", "inputs"):
        shutil.copy(ROOT / f"stages/{real}.py", folder / "stages")
    (folder / "params.yaml").write_text(yaml.safe_dump(params()))
    shutil.copy(ROOT / ".gitignore", folder)
    git(folder, "init", "-q")
    dvc(folder, "init", "-q")
    shutil.copytree(ROOT / ".dvc" / "plots", folder / ".dvc" / "plots")
    dvc(folder, "repro")
    git(folder, "add", "--all")
    git(folder, "commit", "-qm", "Baseline")
    return folder


@pytest.fixture
def repository(finished, tmp_path) -> Path:
    return Path(shutil.copytree(finished, tmp_path / "repository", symlinks=True))
