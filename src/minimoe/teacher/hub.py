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
        if path.is_symlink():  # where links cannot be made, the cache does not keep the sums
            _verify(path.resolve(), path)
    return folder


def _verify(blob: Path, path: Path) -> None:
    """The cache names a file by its sum: SHA-256 of a large one, git's SHA-1 of another."""
    sums = {64: hashlib.sha256(), 40: hashlib.sha1(f"blob {blob.stat().st_size}\0".encode())}
    if (digest := sums.get(len(blob.name))) is None:
        return
    with blob.open("rb") as file:
        while block := file.read(1 << 22):
            digest.update(block)
    if digest.hexdigest() != blob.name:
        raise UserError(f"{path}: its sum is {digest.hexdigest()}, the hub's {blob.name}; delete {blob} and run again")
