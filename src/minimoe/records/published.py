"""Read records in the published format: `*.tfrecord` files with the int64 lists `indices` and `segments`, no index.

Differs because the reader of the `tfrecord` package checks no checksum: here every frame's are, on opening, and every
record is parsed then, so that a wrong one is found before training and not in it.
"""

import mmap
import struct
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from crc32c import crc32c
from tqdm import tqdm

from minimoe.records.maps import Maps
from minimoe.system.errors import UserError, readable


class PublishedShards:
    """The shards of a folder in the published form, which says nothing of the tokenizer: padding is 0, as BERT's.

    Raises `UserError` for a file that is damaged or holds something else.
    """

    def __init__(self, folder: Path) -> None:
        paths = sorted(folder.glob("*.tfrecord"))
        if not paths:
            raise UserError(f"{folder}: no records in it; expected manifest.json and shards, or .tfrecord files")
        self.maps = Maps(paths, "u1")
        indices = [self._index(number) for number in tqdm(range(len(paths)), desc="scan", delay=2)]
        counts = [len(index) for index in indices]
        self.ends = np.cumsum(counts)
        places = np.concatenate(indices)
        if not len(places):
            raise UserError(f"{folder}: expected records, found none in its {len(paths)} files")
        self.places, self.sizes = places[:, :2], places[:, 2]
        self.manifest = {
            "count": len(places),
            "heldout": 0,
            "max_length": int(places[:, 2].max()),
            "vocabulary": int(places[:, 3].max()) + 1,
            "pad_id": 0,
            "segments": True,
            "shards": [{"count": count, "files": {path.name: {}}} for path, count in zip(paths, counts, strict=True)],
        }

    def _index(self, number: int) -> np.ndarray:
        """Of every record of a file [N, 4]: where its payload starts and ends, its tokens, its highest id."""
        rows = []
        for start, end in scan(self.maps.paths[number]):
            ids, _ = self._parse(number, start, end)
            rows.append((start, end, len(ids), ids.max()))
        return np.array(rows, np.int64).reshape(-1, 4)

    def _parse(self, number: int, start: int, end: int) -> tuple[np.ndarray, np.ndarray]:
        return parse(self.maps[number][start:end].tobytes(), f"{self.maps.paths[number]}: at byte {start}")

    def read(self, rows: np.ndarray) -> tuple[list[np.ndarray], np.ndarray]:
        """The ids of each record, and the tokens [B] of their first segments."""
        ids, first = [], []
        shards = np.searchsorted(self.ends, rows, side="right").tolist()
        for shard, (start, end) in zip(shards, self.places[rows].tolist(), strict=True):
            record, segments = self._parse(shard, start, end)
            ids.append(record)
            first.append(len(record) - np.count_nonzero(segments))
        return ids, np.array(first)

    def lengths(self, rows: np.ndarray) -> np.ndarray:
        """The tokens [B] of each record."""
        return self.sizes[rows]


def scan(path: Path) -> Iterator[tuple[int, int]]:
    """Where the payload of every frame of a TFRecord file starts and ends; each checksum is verified."""
    size = path.stat().st_size
    if not size:
        return
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        at = 0
        while at < size:
            length = struct.unpack_from("<Q", data, at)[0] if at + 12 <= size else size
            start, end = at + 12, at + 12 + length
            if end + 4 > size or data[at + 8 : start] != masked(crc32c(data[at : at + 8])):
                raise UserError(f"{path}: truncated or damaged at byte {at}; copy the file again")
            if data[end : end + 4] != masked(crc32c(data[start:end])):
                raise UserError(f"{path}: damaged, a checksum is wrong at byte {at}; copy the file again")
            yield start, end
            at = end + 4


def parse(payload: bytes, place: str) -> tuple[np.ndarray, np.ndarray]:
    """The ids and segments of one record; without segments all is segment 0. `place` is for the error."""
    from tfrecord import example_pb2

    with readable(place, "expected a tf.train.Example; copy the file again"):
        features = example_pb2.Example.FromString(payload).features.feature
    ids = np.array(features["indices"].int64_list.value, np.int64)
    segments = np.array(features["segments"].int64_list.value, np.int64)
    if not ids.size or segments.size not in (0, ids.size):
        raise UserError(
            f"{place}: expected int64 lists 'indices' and 'segments' of one length, got {ids.size} and {segments.size}"
        )
    if ids.min() < 0 or (segments.size and (segments != np.sort(segments != 0)).any()):
        raise UserError(f"{place}: expected ids of 0 or more, and segments of 0 up to the second text and 1 from it on")
    return ids, segments


def masked(checksum: int) -> bytes:
    """A checksum as TFRecord stores it: rotated right by 15 bits, plus a constant."""
    rotated = (checksum >> 15 | checksum << 17) & 0xFFFFFFFF
    return struct.pack("<I", (rotated + 0xA282EAD8) & 0xFFFFFFFF)
