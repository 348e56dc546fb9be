"""Files of a model on the Hugging Face hub, in the local cache, each of them verified."""

import hashlib
from pathlib import Path

from minimoe.errors import UserError


def download(name: str, revision: str, patterns: list[str]) -> Path:
    """The folder with those files of model `name` at `revision` that match `patterns`.

    Raises `UserError` where the model or the network is not there, or a file is not the hub's.
    """
    from huggingface_hub import snapshot_download

    try:
        folder = Path(snapshot_download(name, revision=revision, allow_patterns=patterns))
    except (OSError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise UserError(f"teacher.hub: {name!r} at {revision!r} cannot be downloaded: {reason}") from None
    for path in sorted(folder.rglob("*")):
        if path.is_symlink() and path.exists():  # where links cannot be made, the cache does not keep the sums
            _verify(path)
    return folder


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
