"""Build a release in dist/: the wheel, the documentation, the sample's page; and run the sample from the wheel alone.

Run by `make release`. It tags and publishes nothing, but prints the commands that do.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
DIST = ROOT / "dist"
PLAIN = ("HOME", "LANG", "TMPDIR", "OMP_NUM_THREADS")  # variables that the wheel's environment gets, and pip's own


def main() -> None:
    """Build and check, or say in one line why not."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--params", type=Path, help="run these params.yaml from the wheel in place of the sample's")
    params = parser.parse_args().params
    version = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    refuse(version)
    shutil.rmtree(DIST, ignore_errors=True)
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    run(*pip, "--wheel-dir", DIST, ROOT)
    (wheel,) = DIST.glob("*.whl")
    run(sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", DIST / "docs")
    page()
    check(wheel, params)
    if changed := run("git", "status", "--porcelain", quiet=True):
        end(f"{changed.splitlines()[0].strip()}: written by the release; have git ignore it")
    print(f"{wheel.relative_to(ROOT)} is built, and ran the sample. To release it:")
    print(f"  git tag -a v{version} -m 'minimoe {version}' && git push origin v{version}")
    print(f"  python -m twine upload {wheel.relative_to(ROOT)}")


def refuse(version: str) -> None:
    """End where this tree is not what can be released as `version`."""
    if changed := run("git", "status", "--porcelain", quiet=True):
        end(f"{changed.splitlines()[0].strip()}: differs from the commit; commit or remove it")
    if not re.search(rf"(?m)^## {re.escape(version)}\b", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")):
        end(f"CHANGELOG.md: expected a heading '## {version}', the version of pyproject.toml; write what is new in it")
    if f"\nversion: {version}\n" not in (ROOT / "CITATION.cff").read_text(encoding="utf-8"):
        end(f"CITATION.cff: expected 'version: {version}', as in pyproject.toml")
    tagged = run("git", "for-each-ref", "--format=%(objectname) %(*objectname)", f"refs/tags/v{version}", quiet=True)
    if tagged and tagged.split()[-1] != run("git", "rev-parse", "HEAD", quiet=True):
        end(f"v{version} is tagged at another commit, {tagged.split()[-1][:10]}; raise the version in pyproject.toml")


def page() -> None:
    """Copy the sample's report page, if it is up to date."""
    status = run(sys.executable, "-m", "dvc", "status", "--with-deps", "report", quiet=True)
    if "up to date" in status and (ROOT / "reports/index.html").is_file():
        shutil.copytree(ROOT / "reports", DIST / "sample")
    else:
        print("reports: not up to date, so dist/ has no page of the sample; make repro makes it", file=sys.stderr)


def check(wheel: Path, params: Path | None) -> None:
    """Run the sample in an empty folder, from the wheel in a fresh environment with the pinned versions."""
    pins = re.findall(r"(?m)^([\w.-]+==[^\s;\\]+)", (ROOT / "requirements.txt").read_text(encoding="utf-8"))
    with tempfile.TemporaryDirectory(prefix="minimoe-release-") as folder:
        constraints, python, work = Path(folder, "pins.txt"), Path(folder, "env/bin/python"), Path(folder, "run")
        constraints.write_text("\n".join(pins) + "\n", encoding="utf-8")
        work.mkdir()
        run(sys.executable, "-m", "venv", Path(folder, "env"))
        run(python, "-m", "pip", "install", "--quiet", "--constraint", constraints, wheel, alone=True, folder=work)
        minimoe = python.with_name("minimoe")
        run(minimoe, "init", alone=True, folder=work)
        if params:
            shutil.copy(params, work / "params.yaml")
        run(minimoe, "repro", alone=True, folder=work)


def run(*command: str | Path, quiet: bool = False, alone: bool = False, folder: Path = ROOT) -> str:
    """Run a command, and end where it fails.

    Args:
        quiet: return what it prints instead of showing it.
        alone: without the variables of this environment, but pip's.
        folder: where.
    """
    kept = {key: value for key, value in os.environ.items() if key in PLAIN or key.startswith("PIP_")}
    environment = kept | {"PATH": "/usr/local/bin:/usr/bin:/bin"} if alone else None
    words = list(map(str, command))
    done = subprocess.run(words, cwd=folder, env=environment, stdout=subprocess.PIPE if quiet else None, text=True)
    if done.returncode:
        end(f"`{' '.join(words)}` has failed with code {done.returncode}; see above, fix it and run again")
    return (done.stdout or "").strip()


def end(reason: str) -> None:
    """End with one line."""
    sys.exit(f"release: {reason}")


if __name__ == "__main__":
    main()
