"""A dump, read: a MediaWiki export as one stream of bytes, checked to be whole while it is read."""

import bz2
import gzip
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

from minimoe.errors import UserError

_BLOCK = 1 << 20
_OPENERS = {b"BZh": bz2.open, b"\x1f\x8b": gzip.open}  # by a file's first bytes; others are plain XML


def read(path: Path, progress: Callable[[int], object] = lambda size: None) -> Iterator[bytes]:
    """The XML of a dump in blocks; `progress` is told how many bytes of the file were read for each.

    Raises `UserError` when it is not a MediaWiki export, is damaged, or ends before `</mediawiki>`.
    """
    with path.open("rb") as file:
        opener = next((opener for magic, opener in _OPENERS.items() if file.peek(4).startswith(magic)), None)
        stream = opener(file) if opener else file
        tail, done = b"", 0
        try:
            while block := stream.read(_BLOCK):
                if not tail and b"<mediawiki" not in block[:4096]:
                    raise UserError(f"{path}: not a MediaWiki dump; expected XML that starts with <mediawiki>")
                tail = (tail + block)[-64:]
                yield block
                progress(file.tell() - done)
                done = file.tell()
        except (EOFError, OSError, zlib.error) as error:
            raise UserError(f"{path}: damaged or cut off near byte {done} ({error}); get the dump again") from None
        if not tail.rstrip().endswith(b"</mediawiki>"):
            raise UserError(f"{path}: cut off, it does not end with </mediawiki>; get the dump again")
