"""Download a corpus that is a data set of the Hugging Face hub: those of its files that a pattern matches, verified."""

import shutil
from fnmatch import fnmatch
from pathlib import Path

from tqdm import tqdm

from minimoe.hub.snapshot import snapshot
from minimoe.system.errors import UserError
from minimoe.system.files import whole_folder


def download_data_set(hub: str, revision: str, files: str, folder: str | Path) -> str:
    """Copy files of the data set `hub` at `revision` to a folder of its name in `folder`; returns the commit.

    `files` is a pattern for their paths in the data set, such as `20231101.simple/*.parquet`; `*` matches `/` too.
    Raises `UserError` when they cannot be had, or there are none.
    """
    found = snapshot("dataset", hub, revision, [files], "corpus.download.hub")
    # the cache may hold others of the same commit
    names = [path.relative_to(found.folder) for path in sorted(found.folder.rglob("*")) if path.is_file()]
    names = [name for name in names if fnmatch(str(name), files)]
    if not names:
        raise UserError(f"corpus.download.files: expected a pattern for files of {hub} at {revision}, got {files!r}")
    with whole_folder(folder) as temporary:
        for name in tqdm(names, desc="copy", unit="file", delay=1):
            path = temporary / hub.replace("/", "--") / name
            path.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(found.folder / name, path)
    return found.commit
