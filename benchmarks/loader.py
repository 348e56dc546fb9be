"""Loading: records a second, in random order and padded into batches of 32, on one core.

The baseline is the `tfrecord` package through torch's DataLoader, which shuffles within a window of 1024 records. The
second row reads the form of the published records with both.
"""

from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from tfrecord.torch.dataset import TFRecordDataset
from tfrecord.writer import TFRecordWriter
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from torch.utils.data import DataLoader

from benchmarks.measure import Row, in_turn
from benchmarks.text import write_text, write_tokenizer
from minimoe.corpus.build import build_records
from minimoe.records.dataset import Records
from minimoe.records.shuffle import shuffled
from minimoe.system.machine import cores

BATCH = 32
PUBLISHED = 10_000  # records of the published form
REPEATS = 3


def run() -> list[Row]:
    """Rates for our form and for the published one."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with TemporaryDirectory() as name:
            folder = Path(name)
            write_text(folder / "text", files=16)
            tokenizer = write_tokenizer(folder / "tokenizer")
            build_records(
                folder / "text", tokenizer, folder / "ours", 128, 0.1, 1 << 20, 0.002, seed=776, workers=cores()
            )
            (folder / "published").mkdir()
            own = Records(folder / "ours")
            write_published(folder / "published/00000.tfrecord", own)
            return [
                _row("load records, shuffled", own, folder / "ours", {"ids": "byte", "first": "int"}, 5.0),
                _row(
                    "load published records, shuffled",
                    Records(folder / "published"),
                    folder / "published",
                    {"indices": "int", "segments": "int"},
                ),
            ]
    finally:
        torch.set_num_threads(threads)


def _row(what: str, records: Records, folder: Path, features: dict, goal: float | None = None) -> Row:
    count = records.manifest["shards"][0]["count"]  # of the first file; held-out records have files of their own

    def ours() -> None:
        order = shuffled(range(count), 776, 0, 0, count)
        for start in range(0, count, BATCH):
            records.batch(order[start : start + BATCH])

    def package() -> None:
        data = TFRecordDataset(str(folder / "00000.tfrecord"), None, features, shuffle_queue_size=1024)
        seen = sum(len(batch["input_ids"]) for batch in DataLoader(data, BATCH, collate_fn=collate))
        assert seen == count

    own, other = in_turn(ours, package, repeats=REPEATS)
    return Row(what, "records/s", count / own, count / other, "tfrecord in a DataLoader", goal)


def collate(examples: Iterable[dict]) -> dict[str, Tensor]:
    """Examples of either form as padded int64 tensors [B, T]."""
    ids, segments = zip(*map(_parse, examples), strict=True)
    mask = [torch.ones(len(row), dtype=torch.int64) for row in ids]
    parts = {"input_ids": ids, "attention_mask": mask, "token_type_ids": segments}
    return {name: pad_sequence(list(rows), batch_first=True) for name, rows in parts.items()}


def _parse(example: dict) -> tuple[Tensor, Tensor]:
    if "indices" in example:
        return torch.as_tensor(example["indices"]), torch.as_tensor(example["segments"])
    ids = torch.from_numpy(np.frombuffer(example["ids"], "<u2").astype(np.int64))
    return ids, (torch.arange(len(ids)) >= int(example["first"][0])).long()


def write_published(path: Path, records: Records) -> None:
    """Write the first records in the published form."""
    writer = TFRecordWriter(str(path))
    for number in range(PUBLISHED):
        record = records[number]
        lists = {"indices": record["input_ids"], "segments": record["token_type_ids"]}
        writer.write({name: (array.tolist(), "int") for name, array in lists.items()})
    writer.close()
