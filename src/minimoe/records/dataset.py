"""Read records: training examples in random order, straight from memory-mapped files.

A folder holds shards `00000.tfrecord`, for each an index `00000.npy` with the position of every record's ids, and
`manifest.json` with counts, sizes and checksums, all of them checked on opening. A batch is then slices of the maps and
a few array operations, so memory does not grow with the corpus. A map is opened on first use, so data loader workers
share no file handle. The last records are those of documents that are held out of training.

The published form, `*.tfrecord` files alone with the int64 lists `indices` and `segments`, is read too, slower:
opening it reads it once to find and check its records, and each record is parsed when it is used. It says nothing of
documents, so none are held out.
"""

import struct
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from tqdm import tqdm

from minimoe.records.manifest import AGAIN, MANIFEST, read_manifest
from minimoe.records.maps import Maps
from minimoe.records.published import PublishedShards
from minimoe.system.errors import UserError, readable
from minimoe.system.files import checksum

INDEX = np.dtype([("offset", "<i8"), ("length", "<i4"), ("first", "<i4")])  # bytes; tokens; tokens of segment A
PLACE = struct.Struct("<qii")  # the same, of one record
STEP = 8  # tokens: texts apart are padded to a multiple
CHECKED = 1 << 16  # places in an index that are checked at once


class Records:
    """The records in a folder; also a map-style dataset of `{"input_ids": …}` for data loaders.

    Raises `UserError` when a file is missing, truncated or damaged.
    """

    def __init__(self, folder: str | Path) -> None:
        folder = Path(folder)
        shards = Shards if (folder / MANIFEST).exists() or any(folder.glob("*.npy")) else PublishedShards
        self._shards = shards(folder)
        self.manifest = self._shards.manifest

    def __len__(self) -> int:
        return self.manifest["count"]

    def __getitem__(self, index: int) -> dict[str, np.ndarray]:
        """One record, unpadded: int64 arrays [T]."""
        return {name: array[0] for name, array in self._arrays([index]).items()}

    def batch(self, indices: Sequence[int], *, apart: bool = False) -> dict:
        """The records as int64 tensors input_ids, attention_mask, token_type_ids [B, T], T the longest's tokens.

        With `apart` the two texts of each record, [CLS] A [SEP] and [CLS] B [SEP], are sequences of their own:
        [2 B, T], all first texts before all second ones, T the longest's tokens rounded up so that few lengths occur.
        """
        import torch

        return {name: torch.from_numpy(array) for name, array in self._arrays(indices, apart).items()}

    def lengths(self, indices: Sequence[int], *, apart: bool = False) -> np.ndarray:
        """Their tokens, int64 [B]; with `apart` those of their texts, [2 B]."""
        rows = np.asarray(indices, np.int64)
        if apart:
            return np.array([len(text) for text in texts(*self._shards.read(rows))], np.int64)
        return self._shards.lengths(rows)

    def _arrays(self, indices: Sequence[int], apart: bool = False) -> dict[str, np.ndarray]:
        rows = np.asarray(indices, np.int64)
        if rows.size == 0 or rows.min() < 0 or rows.max() >= len(self):
            raise IndexError(f"expected records 0 to {len(self) - 1}, got {list(indices)}")
        ids, first = self._shards.read(rows)
        if apart:
            ids = texts(ids, first)
            first = np.array([len(text) for text in ids])  # each is a first segment
        lengths = np.fromiter(map(len, ids), np.int64, len(ids))[:, None]
        longest = lengths.max()
        if apart:
            longest = min(-(-longest // STEP) * STEP, self.manifest["max_length"])
        position = np.arange(longest)
        mask = position < lengths
        input_ids = np.full(mask.shape, self.manifest["pad_id"], np.int64)
        input_ids[mask] = np.concatenate(ids)
        types = (position >= first[:, None]) & mask & self.manifest["segments"]
        return {
            "input_ids": input_ids,
            "attention_mask": mask.astype(np.int64),
            "token_type_ids": types.astype(np.int64),
        }

    @property
    def training(self) -> range:
        """Numbers of the records to train on: of the published form all, as its documents are not known."""
        return range(len(self) - self.manifest["heldout"])

    @property
    def heldout(self) -> range:
        """Numbers of the records of the documents held out; none in the published form."""
        return range(len(self.training), len(self))

    def split(self, measured: int) -> tuple[Sequence[int], np.ndarray]:
        """Numbers to train on, and those of `measured` records held out, int64 and evenly spaced.

        In the published form single records are held out, of which there are sentences in training records too.
        Raises `UserError` when there are not so many.
        """
        if self.heldout:
            check_heldout(self.manifest, measured)
            return self.training, self.heldout.start + _evenly(len(self.heldout), measured)
        if measured >= len(self):
            raise UserError(f"distill.heldout: expected fewer than the {len(self)} records, got {measured}")
        single = _evenly(len(self), measured)
        return np.delete(np.arange(len(self)), single), single


class Shards:
    """The shards of a folder in this project's format."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.manifest = read_manifest(folder)
        shards = self.manifest["shards"]
        files = {name: file for shard in shards for name, file in shard["files"].items()}
        for name, file in tqdm(files.items(), desc="check records", unit="file", delay=2):
            _check(folder / name, file)
        self.maps = Maps([folder / name for name in files if name.endswith(".tfrecord")], self.manifest["dtype"])
        self.width = np.dtype(self.manifest["dtype"]).itemsize
        self.indices = Maps([path.with_suffix(".npy") for path in self.maps.paths], "u1")
        sizes = [path.stat().st_size for path in self.maps.paths]
        counts = [_count(path, size, self.width) for path, size in zip(self.indices.paths, sizes, strict=True)]
        last = sum(count for count, shard in zip(counts, shards, strict=True) if shard["heldout"])
        if (
            counts != [shard["count"] for shard in shards]
            or (sum(counts), last) != (self.manifest["count"], self.manifest["heldout"])
            or shards != sorted(shards, key=lambda shard: shard["heldout"])
        ):
            raise UserError(f"{folder / MANIFEST}: its counts differ from the indices'; {AGAIN}")
        self.ends = np.cumsum(counts)

    def read(self, rows: np.ndarray) -> tuple[list[np.ndarray], np.ndarray]:
        """The ids of each record, and the tokens [B] of their first segments."""
        width = self.width
        ids, firsts = [], []
        for shard, (offset, length, first) in self._places(rows):
            start = offset // width
            ids.append(self.maps[shard][start : start + length])
            firsts.append(first)
        return ids, np.array(firsts)

    def lengths(self, rows: np.ndarray) -> np.ndarray:
        """The tokens [B] of each record."""
        return np.array([length for _, (_, length, _) in self._places(rows)], np.int64)

    def _places(self, rows: np.ndarray) -> Iterator[tuple[int, tuple[int, int, int]]]:
        """The shard of each record, and its place there."""
        at = np.searchsorted(self.ends, rows, side="right")
        shards, back = at.tolist(), ((self.ends[at] - rows) * INDEX.itemsize).tolist()  # bytes from the index's end
        indices = {shard: memoryview(self.indices[shard]) for shard in set(shards)}
        for shard, before_end in zip(shards, back, strict=True):
            index = indices[shard]
            yield shard, PLACE.unpack_from(index, len(index) - before_end)


def texts(ids: list[np.ndarray], first: np.ndarray) -> list[np.ndarray]:
    """The first texts of records, then their second ones, each as [CLS] text [SEP].

    Args:
        ids: of each record. first: tokens of its first segment, which ends with two [SEP] in RoBERTa's records.
    """
    ends = [end - (end > 1 and one[end - 1] == one[end - 2]) for one, end in zip(ids, first.tolist(), strict=True)]
    pairs = list(zip(ids, ends, first.tolist(), strict=True))
    return [one[:end] for one, end, _ in pairs] + [np.concatenate([one[:1], one[start:]]) for one, _, start in pairs]


def _evenly(count: int, some: int) -> np.ndarray:
    """`some` of so many numbers from 0 on, evenly spaced, int64."""
    return (2 * np.arange(some) + 1) * count // (2 * max(some, 1))


def check_heldout(manifest: dict, measured: int, key: str = "distill.heldout") -> None:
    """Raise `UserError` unless as many records as the setting `key` asks to measure are held out in a manifest."""
    if measured > manifest["heldout"]:
        raise UserError(
            f"{key}: expected at most {manifest['heldout']}, the records of the documents that "
            f"corpus.records.heldout keeps out of training, got {measured}; lower it, or raise the other"
        )


def check_fits(manifest: dict, positions: int, vocabulary: int, model: str | Path, segments: int = 0) -> None:
    """Raise `UserError` unless a model can read all records of a manifest.

    Args:
        positions, vocabulary: the model's.
        model: its name, for the error.
        segments: how many it tells apart; 0: it takes any. Records in the published form do not say how many they have.
    """
    if manifest["max_length"] > positions:
        raise UserError(
            f"corpus.records.max_length: expected at most {positions}, the positions of {model}; "
            f"got {manifest['max_length']}"
        )
    if manifest["vocabulary"] > vocabulary:
        raise UserError(
            f"data/records: expected ids below {vocabulary}, the vocabulary of {model}; "
            f"got a vocabulary of {manifest['vocabulary']}; {AGAIN}, with its tokenizer"
        )
    if manifest["segments"] and segments == 1 and "version" in manifest:
        raise UserError(
            f"data/records: expected one segment, all that {model} has; got two; choose a teacher whose tokenizer and "
            "config agree, or set type_vocab_size to what its weights have"
        )


def _count(path: Path, size: int, width: int) -> int:
    """The records in the index of a shard of `size` bytes, of ids of `width` bytes.

    Raises `UserError` where the index leads out of the shard.
    """
    with readable(str(path), AGAIN):
        index = np.load(path, mmap_mode="r", allow_pickle=False)
    if index.dtype != INDEX or index.ndim != 1:
        raise UserError(f"{path}: expected a list of offset, length and first, got {index.dtype}; {AGAIN}")
    inside = index.offset + index.nbytes == path.stat().st_size
    for at in range(0, len(index), CHECKED):
        part = index[at : at + CHECKED]
        start, length = part["offset"], part["length"]
        good = (start >= 0) & (start % width == 0) & (length > 0) & (start + length.astype(np.int64) * width <= size)
        inside &= bool((good & (part["first"] >= 0) & (part["first"] <= length)).all())
    if not inside:
        raise UserError(f"{path}: a record of it lies outside of its shard; {AGAIN}")
    return len(index)


def _check(path: Path, expected: dict) -> None:
    """Raise `UserError` unless the file is there, whole and undamaged."""
    if not path.is_file():
        raise UserError(f"{path}: missing, although {MANIFEST} lists it; {AGAIN}")
    size = path.stat().st_size
    if size != expected["bytes"]:
        raise UserError(f"{path}: expected {expected['bytes']} bytes, got {size}; {AGAIN}")
    if checksum(path) != expected["crc32c"]:
        raise UserError(f"{path}: damaged, its checksum differs from {MANIFEST}'s; {AGAIN}")
