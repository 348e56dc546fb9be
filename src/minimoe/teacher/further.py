"""Copy a further teacher: another encoder with the first teacher's tokenizer, so that it reads the same records."""

from pathlib import Path
from tempfile import TemporaryDirectory

from minimoe.hub.loading import load_tokenizer
from minimoe.system.errors import UserError
from minimoe.teacher.copy import copy_teacher
from minimoe.teacher.tokenizer import copy_tokenizer


def copy_further(name: str, tokenizer: str | Path, out: str | Path, revision: str | None = None) -> dict[str, str]:
    """Save the encoder of the folder, or with a `revision` of the hub id, `name` with `tokenizer` into `out`.

    Returns what `copy_teacher` does.
    Raises `UserError` where its own tokenizer has another vocabulary, which would make every record another text to
    it, and as `copy_teacher` does.
    """
    with TemporaryDirectory() as folder:
        copy_tokenizer(name, folder, revision=revision)
        own, first = (load_tokenizer(path).get_vocab() for path in (folder, tokenizer))
    if own != first:
        raise UserError(
            f"{name}: expected the first teacher's vocabulary, {len(first)} tokens; its own has {len(own)}, "
            f"{len(own.items() & first.items())} of them the same; choose teachers of one vocabulary"
        )
    return copy_teacher(name, tokenizer, out, revision=revision)
