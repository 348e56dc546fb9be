"""The wheel in a fresh environment: `minimoe init && minimoe repro` in an empty folder."""

import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest
from pipeline.repository import shrink

ROOT = Path(__file__).parents[1]
LINE = ["--disable-pip-version-check", "--no-deps", "--no-index", "--quiet"]


def run(*command: str | Path, folder: Path) -> str:
    """The output of a command under no settings of this environment's."""
    kept = {key: value for key, value in os.environ.items() if key in ("HOME", "LANG", "OMP_NUM_THREADS", "TMPDIR")}
    done = subprocess.run(
        list(map(str, command)), cwd=folder, env=kept | {"PATH": "/usr/bin:/bin"}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def environment(tmp_path_factory) -> Path:
    """The wheel in a new environment, which finds the libraries of this one."""
    folder = tmp_path_factory.mktemp("fresh")
    run(sys.executable, "-m", "pip", "wheel", *LINE, "--no-build-isolation", "-w", folder, ROOT, folder=folder)
    run(sys.executable, "-m", "venv", "--without-pip", folder / "env", folder=folder)
    python = folder / "env/bin/python"
    site = run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", folder=folder).strip()
    Path(site, "libraries.pth").write_text(sysconfig.get_path("purelib") + "\n")
    (wheel,) = folder.glob("*.whl")
    run(sys.executable, "-m", "pip", "--python", python, "install", *LINE, wheel, folder=folder)
    (folder / "env/bin/wikiextractor").symlink_to(Path(sysconfig.get_path("scripts"), "wikiextractor"))
    return folder / "env"


@pytest.mark.slow
def test_an_empty_folder_becomes_a_table(environment, tmp_path):
    minimoe = environment / "bin/minimoe"
    run(minimoe, "init", folder=tmp_path)
    shrink(tmp_path / "params.yaml")
    shown = run(minimoe, "repro", folder=tmp_path)
    assert "base/minimoe" in shown and "Report page: file://" in shown
    assert (tmp_path / "models/base/minimoe/model.safetensors").is_file()
    again = run(minimoe, "repro", folder=tmp_path)
    assert "Running stage" not in again and "base/minimoe" in again
    # what ran is the wheel, and an edit of its code reruns the stage that reads it
    site = next(environment.glob("lib/python*/site-packages/minimoe"))
    assert (tmp_path / "src/minimoe").samefile(site) and not site.is_relative_to(ROOT)
    code = site / "report/tables.py"
    code.write_text(code.read_text() + "\n# edited\n")
    status = run(environment / "bin/python", "-m", "dvc", "status", folder=tmp_path)
    assert "report:" in status and "finetune" not in status


@pytest.mark.slow
@pytest.mark.parametrize("name", ["init", "repro", "profile", "plan", "ui", "convert"])
def test_every_command_says_what_it_does(environment, tmp_path, name):
    shown = run(environment / "bin/minimoe", name, "--help", folder=tmp_path)
    assert len(shown.splitlines()) > 5 and max(map(len, shown.splitlines())) <= 120
    assert f"\n  minimoe {name}" in shown or name == "init"
