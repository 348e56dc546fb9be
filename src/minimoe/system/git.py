"""What git knows of the folder that work is done in."""

import subprocess
from typing import NamedTuple

PATIENCE = 10  # seconds; a slow file system may keep git waiting, and the work goes on without an answer


class Head(NamedTuple):
    """The commit that is checked out."""

    commit: str  # in full
    changed: bool  # whether tracked files differ from it


def head(*besides: str) -> Head | None:
    """The commit that is checked out here; None outside of git, and before the first commit.

    Args:
        besides: files that may differ from it.
    """
    # without optional locks: other processes ask at the same time, and the user's own git must not wait
    asked = ["git", "--no-optional-locks", "status", "--porcelain=v2", "--branch", "--untracked-files=no", "--", "."]
    try:
        done = subprocess.run(
            [*asked, *(f":!{path}" for path in besides)], capture_output=True, text=True, check=True, timeout=PATIENCE
        )
    except (OSError, subprocess.SubprocessError):
        return None
    lines = done.stdout.splitlines()
    commit = next((line.split()[-1] for line in lines if line.startswith("# branch.oid")), "")
    changed = any(not line.startswith("#") for line in lines)
    return Head(commit, changed) if commit.isalnum() else None  # "(initial)" before the first


def commit(*besides: str) -> str:
    """`head` in words: ten digits, "with changes" where tracked files differ; empty outside of git."""
    found = head(*besides)
    return f"{found.commit[:10]}{' with changes' * found.changed}" if found else ""
