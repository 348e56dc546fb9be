"""Files of a model on the Hugging Face hub, in the local cache."""

from pathlib import Path

from minimoe.errors import UserError


def download(name: str, revision: str, patterns: list[str]) -> Path:
    """The folder with those files of model `name` at `revision` that match `patterns`.

    Raises `UserError` where the model or the network is not there.
    """
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(name, revision=revision, allow_patterns=patterns))
    except (OSError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise UserError(f"teacher.hub: {name!r} at {revision!r} cannot be downloaded: {reason}") from None
