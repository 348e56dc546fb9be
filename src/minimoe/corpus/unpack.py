"""Decompress files as streams: gzip, bzip2, xz and zstd, one stream or several after another.

Anything else after a stream is an error, as is a stream without an end; `bz2.open` and `lzma.open` ignore the former.
"""

import bz2
import gzip
import lzma
import zlib
from collections.abc import Callable, Iterator
from typing import BinaryIO

_BLOCK = 1 << 20
BAD = (zlib.error, lzma.LZMAError, EOFError, OSError)  # what is raised for a damaged or truncated file


def blocks(file: BinaryIO, suffix: str = "") -> Iterator[bytes]:
    """The unpacked bytes of a file whose name ends in `suffix`, a key of `PACKINGS`; of any other, its own bytes."""
    yield from PACKINGS.get(suffix, _whole)(file)


def _whole(file: BinaryIO) -> Iterator[bytes]:
    return iter(lambda: file.read(_BLOCK), b"")


def _gzip(file: BinaryIO) -> Iterator[bytes]:
    return _whole(gzip.GzipFile(fileobj=file))


def _zstd(file: BinaryIO) -> Iterator[bytes]:
    import pyarrow

    return _whole(pyarrow.CompressedInputStream(pyarrow.PythonFile(file, mode="r"), "zstd"))


def _streams(new: Callable, magic: bytes, padding: bytes = b"") -> Callable[[BinaryIO], Iterator[bytes]]:
    """A reader of streams that begin with `magic`, each unpacked by a decompressor of its own."""

    def read(file: BinaryIO) -> Iterator[bytes]:
        packed = file.read(_BLOCK)
        while packed:
            if not packed.startswith(magic[: len(packed)]):
                raise OSError("something else follows after a compressed stream")
            stream = new()
            while not stream.eof:
                if stream.needs_input and not packed:
                    raise EOFError("a compressed stream has no end")
                if block := stream.decompress(packed, _BLOCK):
                    yield block
                packed = file.read(_BLOCK) if stream.needs_input and not stream.eof else b""
            packed = stream.unused_data.lstrip(padding) or file.read(_BLOCK).lstrip(padding)

    return read


BZIP2, GZIP = b"BZh", b"\x1f\x8b"  # a file's first bytes
PACKINGS: dict[str, Callable[[BinaryIO], Iterator[bytes]]] = {
    ".gz": _gzip,
    ".bz2": _streams(bz2.BZ2Decompressor, BZIP2),
    ".xz": _streams(lzma.LZMADecompressor, b"\xfd7zXZ", padding=b"\0"),
    ".zst": _zstd,
}
