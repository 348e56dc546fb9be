"""Write a training example as a TFRecord frame whose token ids can be read in place, without parsing.

A frame is the payload's length (uint64), its masked checksum, the payload and its masked checksum, all little
endian; the checksum is CRC-32C. A payload is a `tf.train.Example` with two features: `first`, an int64, the number
of tokens in the first segment, and `ids`, a byte string, the token ids as little-endian uint16 or uint32.

Protocol buffers allow a varint to be written longer than it must be. Here every varint that depends on the example
has the same width, so whatever comes before the ids is always `IDS_AT` bytes long, the ids are aligned, and an
index of offsets is all that a reader needs. Any other TFRecord reader reads the same file as usual.
"""

import struct
from functools import lru_cache

from crc32c import crc32c

from minimoe.records.published import masked

IDS_AT = 56  # bytes of a frame before its ids: 12 of the frame, 44 of the payload
_WIDTH = 3  # bytes of a varint that holds a size: up to 2 MB
_WIDTH_FIRST = 4  # of the one that holds `first`: makes IDS_AT a multiple of 4


def frame(ids: bytes, first: int) -> bytes:
    """The frame of one example: its ids as bytes, and the tokens in its first segment."""
    start, checksum = _before_ids(len(ids), first)
    return b"".join((start, ids, masked(crc32c(ids, checksum))))


@lru_cache(maxsize=1 << 16)
def _before_ids(size: int, first: int) -> tuple[bytes, int]:
    """What comes before `size` bytes of ids, and the running checksum of the payload's part of it."""
    number = _field(3, _field(1, _varint(first, _WIDTH_FIRST)))  # Feature.int64_list.value, packed
    head_first = _field(1, _field(1, b"first") + _field(2, number))
    around = b""
    for prefix in (_tag(1), _tag(1), _tag(2)):  # BytesList.value, Feature.bytes_list, the map entry's value
        around = prefix + _varint(size + len(around), _WIDTH) + around
    entry = _field(1, b"ids") + around
    head_ids = _tag(1) + _varint(len(entry) + size, _WIDTH) + entry
    features = head_first + head_ids
    payload = _tag(1) + _varint(len(features) + size, _WIDTH) + features
    length = struct.pack("<Q", len(payload) + size)
    start = length + masked(crc32c(length)) + payload
    assert len(start) == IDS_AT
    return start, crc32c(payload)


def _tag(field: int) -> bytes:
    """The tag of a field that has a length."""
    return bytes([field << 3 | 2])


def _field(field: int, content: bytes) -> bytes:
    """A whole field of less than 128 bytes."""
    return _tag(field) + bytes([len(content)]) + content


def _varint(value: int, width: int) -> bytes:
    """`value` as a varint of exactly `width` bytes."""
    groups = [value >> 7 * group & 0x7F for group in range(width)]
    return bytes([group | 0x80 for group in groups[:-1]] + groups[-1:])
