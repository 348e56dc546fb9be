"""Read a MediaWiki dump as one stream of bytes, and check that it is complete."""

import bz2
import gzip
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from minimoe.system.errors import UserError

_BLOCK = 1 << 20
_BZIP2, _GZIP = b"BZh", b"\x1f\x8b"  # a file's first bytes; others are plain XML


def read(path: Path, progress: Callable[[int], object] = lambda size: None) -> Iterator[bytes]:
    """The XML of a dump in blocks; `progress` is told how many bytes of the file were read for each.

    Raises `UserError` when it is not a MediaWiki export, is damaged, or ends before `</mediawiki>`.
    """
    with path.open("rb") as file:
        packed = file.peek(4).startswith
        blocks = _unpacked(file) if packed(_BZIP2) else _blocks(gzip.GzipFile(fileobj=file) if packed(_GZIP) else file)
        tail, done = b"", 0
        try:
            for block in blocks:
                if not tail and b"<mediawiki" not in block[:4096]:
                    raise UserError(f"{path}: not a MediaWiki dump; expected XML that starts with <mediawiki>")
                tail = (tail + block)[-64:]
                yield block
                progress(file.tell() - done)
                done = file.tell()
        except (EOFError, OSError, zlib.error) as error:
            raise UserError(f"{path}: damaged or truncated near byte {done} ({error}); get the dump again") from None
        if not tail.rstrip().endswith(b"</mediawiki>"):
            raise UserError(f"{path}: truncated, it does not end with </mediawiki>; get the dump again")


def _blocks(stream: BinaryIO) -> Iterator[bytes]:
    return iter(lambda: stream.read(_BLOCK), b"")


def _unpacked(file: BinaryIO) -> Iterator[bytes]:
    """The blocks of a bzip2 file, whose streams follow one another; `OSError` for anything else after one.

    Differs from `bz2.open`, which silently ignores anything else after a stream.
    """
    packed = file.read(_BLOCK)
    while packed:
        if not packed.startswith(_BZIP2[: len(packed)]):
            raise OSError("what follows is not bzip2")
        stream = bz2.BZ2Decompressor()
        while not stream.eof:
            if stream.needs_input and not packed:
                raise EOFError("a bzip2 stream has no end")
            if block := stream.decompress(packed, _BLOCK):
                yield block
            packed = file.read(_BLOCK) if stream.needs_input and not stream.eof else b""
        packed = stream.unused_data or file.read(_BLOCK)
