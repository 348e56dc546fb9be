"""Repair DVC's own files where a kill left them half-written, so that DVC's next run does not fail.

- dvc.lock and `.dvc/tmp/rwlock`, its list of locks, are written in place: a beginning may be all that is left of them.
  Of a dvc.lock that ends between two lines DVC makes up for whatever is missing, but for an output's size.
- An entry of the run cache is written under a temporary name, but in its folder, where DVC takes the newest file for
  the entry, whatever its name, and expects that there is one.

Nothing is lost with any of them, because the results of all stages are in the run cache's whole entries.

Of these files DVC says nothing in public: their places and forms are those of DVC 3.67 (tested with 3.67.1;
pyproject.toml admits no later minor version). A version without these parts gets no repair, and says itself what it
stumbles over.
"""

import json
import os
import time
from contextlib import suppress
from pathlib import Path

import psutil

from minimoe.pipeline.project import project
from minimoe.system.errors import UserError

WRITE_SECONDS = 1.0  # more than it takes to write an entry of the run cache
LOOK_SECONDS = 0.2  # between two looks at who is at work


def repair() -> None:
    """Rename truncated files, and remove unfinished entries of the run cache."""
    try:
        from dvc.dvcfile import LOCK_FILE, Lockfile  # noqa: F401
        from dvc.repo import lock_repo
        from dvc.stage.cache import StageCache  # noqa: F401
    except ImportError:
        return
    with project(wait=True) as repo, lock_repo(repo):  # nobody is writing them now
        written = {Path(repo.root_dir, LOCK_FILE): _whole_lock_file, Path(repo.tmp_dir, "rwlock"): _whole_json}
        for path, whole in written.items():
            if path.exists() and not whole(repo, path):
                path.replace(aside := path.with_name(f"{path.name}.damaged"))
                print(
                    f"{path.name}: truncated, as by a kill; it is {aside} now, DVC's caches make up for it", flush=True
                )
        _remove_unfinished(Path(repo.stage_cache.cache_dir))


def wait_for_others(seconds: float) -> None:
    """Wait until no other run in this folder holds files, so long at most; what a killed run leaves ends soon.

    Raises `UserError` for a run that goes on. DVC's own wait, `--wait-for-lock`, does not cover these locks.
    """
    with project() as repo:
        path = Path(repo.tmp_dir, "rwlock")
    end = time.monotonic() + seconds
    while holder := _holder(path):
        if time.monotonic() > end:
            raise UserError(f"another run is at work here (process {holder}); run again when it has ended")
        time.sleep(LOOK_SECONDS)


def _holder(path: Path) -> str:
    """A process that is alive and holds files for reading or writing, as DVC lists them; or nothing."""
    # no list yet, or it is being written, or is none: DVC itself says so
    with suppress(OSError, ValueError, LookupError, TypeError, AttributeError):
        held = json.loads(path.read_bytes())
        readers, writers = held.get("read", {}), held.get("write", {})  # either may be missing, both when a run ended
        holders = [one for each in readers.values() for one in each] + list(writers.values())
        alive = [one for one in holders if one["pid"] != os.getpid() and psutil.pid_exists(one["pid"])]
        return f"{alive[0]['pid']}: {alive[0]['cmd']}" if alive else ""
    return ""


def _whole_lock_file(repo, path: Path) -> bool:
    from dvc.dvcfile import Lockfile
    from dvc.exceptions import DvcException

    with suppress(DvcException):
        stages = Lockfile(repo, str(path)).load().get("stages", {})
        outs = [out for stage in stages.values() for out in stage.get("outs", [])]
        return path.read_bytes().endswith(b"\n") and all(map(_whole_out, outs))
    return False


def _whole_out(out: dict) -> bool:
    return "size" in out and ("nfiles" in out or not out.get("md5", "").endswith(".dir"))


def _whole_json(_repo, path: Path) -> bool:
    with suppress(ValueError):
        json.loads(path.read_bytes())
        return True
    return False


def _remove_unfinished(runs: Path) -> None:
    """Remove entries of the run cache under a temporary name, and folders without an entry, which DVC cannot read."""
    entries = {folder: sorted(folder.iterdir()) for folder in sorted(runs.glob("*/*"))}
    unfinished = {folder for folder, paths in entries.items() if not paths or any(map(_temporary, paths))}
    if not unfinished:
        return
    time.sleep(WRITE_SECONDS)  # the cache may be shared with another project, where a run is at work
    for folder in sorted(unfinished):
        for path in filter(_temporary, entries[folder]):
            path.unlink(missing_ok=True)
        with suppress(OSError):  # there are whole entries in it
            folder.rmdir()
    print(f"{runs}: removed what a kill has left half-written of {len(unfinished)} entries", flush=True)


def _temporary(path: Path) -> bool:
    return path.suffix == ".tmp"
