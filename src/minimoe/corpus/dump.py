"""Read a MediaWiki dump as one stream of bytes, and check that it is complete."""

from collections.abc import Callable, Iterator
from pathlib import Path

from minimoe.corpus import unpack
from minimoe.system.errors import UserError


def read(path: Path, progress: Callable[[int], object] = lambda size: None) -> Iterator[bytes]:
    """The XML of a dump in blocks; `progress` is told how many bytes of the file were read for each.

    Raises `UserError` when it is not a MediaWiki export, is damaged, or ends before `</mediawiki>`.
    """
    with path.open("rb") as file:
        first = file.peek(4)  # a dump may have any name
        suffix = ".bz2" if first.startswith(unpack.BZIP2) else ".gz" if first.startswith(unpack.GZIP) else ""
        tail, done = b"", 0
        try:
            for block in unpack.blocks(file, suffix):
                if not tail and b"<mediawiki" not in block[:4096]:
                    raise UserError(f"{path}: not a MediaWiki dump; expected XML that starts with <mediawiki>")
                tail = (tail + block)[-64:]
                yield block
                progress(file.tell() - done)
                done = file.tell()
        except unpack.BAD as error:
            raise UserError(f"{path}: damaged or truncated near byte {done} ({error}); get the dump again") from None
        if not tail.rstrip().endswith(b"</mediawiki>"):
            raise UserError(f"{path}: truncated, it does not end with </mediawiki>; get the dump again")
