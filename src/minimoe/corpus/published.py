"""Records in the published form: `*.tfrecord` files with the int64 lists `indices` and `segments`, no index.

Differs because the reader of the `tfrecord` package checks no checksum: here every frame's are, on opening.
"""

import mmap
import struct
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from crc32c import crc32c
from tqdm import tqdm

from minimoe.corpus.maps import Maps
from minimoe.corpus.tfrecord import masked
from minimoe.errors import UserError


class PublishedShards:
    """The shards of a folder in the published form, which says nothing of the tokenizer: padding is 0, as BERT's."""

    def __init__(self, folder: Path) -> None:
        paths = sorted(folder.glob("*.tfrecord"))
        if not paths:
            raise UserError(f"{folder}: no records in it; expected manifest.json and shards, or .tfrecord files")
        indices = [np.array(list(scan(path)), np.int64).reshape(-1, 2) for path in tqdm(paths, desc="scan", delay=2)]
        counts = [len(index) for index in indices]
        self.manifest = {
            "count": sum(counts),
            "pad_id": 0,
            "segments": True,
            "shards": [{"count": count, "files": {path.name: {}}} for path, count in zip(paths, counts, strict=True)],
        }
        self.ends = np.cumsum(counts)
        self.places = np.concatenate(indices)
        self.maps = Maps(paths, "u1")

    def read(self, rows: np.ndarray) -> tuple[list[np.ndarray], np.ndarray]:
        """The ids of each record, and the tokens [B] of their first segments."""
        ids, first = [], []
        shards = np.searchsorted(self.ends, rows, side="right").tolist()
        for shard, (start, end) in zip(shards, self.places[rows].tolist(), strict=True):
            record, segments = parse(self.maps[shard][start:end].tobytes(), self.maps.paths[shard])
            ids.append(record)
            first.append(len(record) - np.count_nonzero(segments))
        return ids, np.array(first)


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


def parse(payload: bytes, path: Path) -> tuple[np.ndarray, np.ndarray]:
    """The ids and segments of one record; without segments all is segment 0."""
    from tfrecord import example_pb2

    features = example_pb2.Example.FromString(payload).features.feature
    ids = np.array(features["indices"].int64_list.value, np.int64)
    segments = np.array(features["segments"].int64_list.value, np.int64)
    if not ids.size or segments.size not in (0, ids.size):
        raise UserError(
            f"{path}: expected int64 lists 'indices' and 'segments' of one length, got {ids.size} and {segments.size}"
        )
    return ids, segments
