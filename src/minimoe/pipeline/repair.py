"""What a kill has left half-written of DVC's own files, over which DVC's next run would stumble.

- dvc.lock and `.dvc/tmp/rwlock`, its list of locks, are written in place: a beginning may be all that is left of them.
  Of a dvc.lock that ends between two lines DVC makes up for whatever is missing, but for an output's size.
- An entry of the run cache is written under a temporary name, but in its folder, where DVC takes the newest file for
  the entry, whatever its name, and expects that there is one.

Nothing is lost with any of them, because the results of all stages are in the run cache's whole entries.
"""

import json
import time
from contextlib import suppress
from pathlib import Path

WRITE_SECONDS = 1.0  # more than it takes to write an entry of the run cache


def mend() -> None:
    """Put aside files that are cut off, and remove what no run will ever finish."""
    from dvc.dvcfile import LOCK_FILE
    from dvc.repo import Repo, lock_repo

    with Repo(_wait_for_lock=True) as repo, lock_repo(repo):  # nobody is writing them now
        written = {Path(repo.root_dir, LOCK_FILE): _whole_lock_file, Path(repo.tmp_dir, "rwlock"): _whole_json}
        for path, whole in written.items():
            if path.exists() and not whole(repo, path):
                path.replace(aside := path.with_name(f"{path.name}.damaged"))
                print(f"{path.name}: cut off, as by a kill; it is {aside} now, DVC's caches make up for it", flush=True)
        _remove_unfinished(Path(repo.stage_cache.cache_dir))


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
