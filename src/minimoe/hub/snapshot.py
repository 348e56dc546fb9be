"""Download the files of a model or data set on the Hugging Face hub to the local cache, and verify each.

What a transfer that was killed had half written is deleted.
"""

import hashlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from minimoe.hub.transfer import answer, transfer
from minimoe.system.errors import UserError

ABANDONED = 3600  # seconds after which a file that nobody writes to is what a killed process left


class Snapshot(NamedTuple):
    """A repository's files as of one commit."""

    folder: Path
    commit: str


def snapshot(kind: str, name: str, revision: str, patterns: list[str], key: str) -> Snapshot:
    """Those files of the repository `name` at `revision` that match `patterns`; there may be none.

    Args:
        kind: model or dataset.
        key: of params.yaml, for messages.

    Raises `UserError` where the repository or the network is not there, or a file is not the hub's.
    """
    what = f"{key}: {name!r} at {revision!r} cannot be downloaded"
    request = {"repo_type": kind, "repo_id": name, "revision": revision, "allow_patterns": patterns}
    before = set(_partial(request))
    _forget(path for path in before if time.time() - path.stat().st_mtime > ABANDONED)

    def clean() -> None:
        _forget(set(_partial(request)) - before)

    folder = Path(transfer("minimoe.hub.snapshot", request, what, clean))
    for path in sorted(folder.rglob("*")):
        if path.is_symlink() and path.exists():  # where links cannot be made, the cache does not keep the sums
            _verify(path)
    return Snapshot(folder, folder.name)


def _verify(path: Path) -> None:
    """The name of what a snapshot links to is the file's sum: SHA-256 of a large one, git's SHA-1 of another.

    That may be a link again, to a file that snapshots of several models share, under a name that is not its sum.
    """
    wanted = path.readlink().name
    sums = {64: hashlib.sha256(), 40: hashlib.sha1(f"blob {path.stat().st_size}\0".encode())}
    if (digest := sums.get(len(wanted))) is None:
        return
    with path.open("rb") as file:
        while block := file.read(1 << 22):
            digest.update(block)
    if digest.hexdigest() != wanted:
        raise UserError(
            f"{path}: its sum is {digest.hexdigest()}, the hub's {wanted}; delete {path.resolve()} and run again"
        )


def _partial(request: dict) -> Iterator[Path]:
    """The cache's files of the repository that are under way; their names are never used again."""
    from huggingface_hub.constants import HF_HUB_CACHE

    repository = f"{request['repo_type']}s--{request['repo_id'].replace('/', '--')}"
    return Path(HF_HUB_CACHE, repository, "blobs").glob("*.incomplete")


def _forget(paths) -> None:
    for path in paths:
        path.unlink(missing_ok=True)


if __name__ == "__main__":
    from huggingface_hub import snapshot_download

    answer(snapshot_download)
