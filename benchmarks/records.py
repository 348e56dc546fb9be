"""Sentences and records: megabytes of text a second, against naive code and against tokenization alone.

All take as many processes or threads as there are cores, over the same files. What they do once, starting processes
and loading the tokenizer, is done in the call that does not count.
"""

import os
import re
from pathlib import Path
from tempfile import TemporaryDirectory

from joblib import Parallel, delayed
from tokenizers import Tokenizer

from benchmarks import naive_records
from benchmarks.measure import Row, in_turn
from benchmarks.text import write_text, write_tokenizer
from minimoe.corpus.build import build_records
from minimoe.corpus.format import format_corpus
from minimoe.system.machine import cores

FILES = 24  # of a megabyte
REPEATS = 3
FORKED = "multiprocessing"  # processes of the baseline, which start at once; ours are started anew, as in a stage


def run() -> list[Row]:
    """Rates of building records and of formatting."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        size = write_text(folder / "text", FILES) / 1e6
        tokenizer = write_tokenizer(folder / "tokenizer")
        return [*_records(folder, tokenizer, size), _format(folder, size)]


def _records(folder: Path, tokenizer: Path, size: float) -> list[Row]:
    paths, workers = sorted((folder / "text").iterdir()), cores()

    def ours() -> None:
        build_records(folder / "text", tokenizer, folder / "records", 128, 0.1, 65536, 0.002, seed=776, workers=workers)

    def naive() -> None:
        pool(delayed(naive_records.build)(path, tokenizer, folder) for path in paths)

    def alone() -> None:
        os.environ["TOKENIZERS_PARALLELISM"] = "true"
        encoder = Tokenizer.from_file(str(tokenizer / "tokenizer.json"))
        for path in paths:
            encoder.encode_batch_fast(path.read_text().split("\n"), add_special_tokens=False)

    with Parallel(n_jobs=workers, backend=FORKED) as pool:
        own, first = in_turn(ours, naive, repeats=REPEATS)
    again, limit = in_turn(ours, alone, repeats=REPEATS)
    return [
        Row("records of text", "MB/s", size / own, size / first, "naive builder"),
        Row("records of text", "MB/s", size / again, size / limit, "tokenizers alone", 0.85),
    ]


def _format(folder: Path, size: float) -> Row:
    (folder / "extracted").mkdir()
    for path in sorted((folder / "text").iterdir()):
        bodies = path.read_text().split("\n\n")
        documents = (f'<doc title="T">\nT\n{body.replace(chr(10), " ")}\n</doc>\n' for body in bodies if body)
        (folder / "extracted" / path.name).write_text("".join(documents))

    def ours() -> None:
        format_corpus(folder / "extracted", folder / "formatted", "en", "sentencex", 7, cores())

    def naive() -> None:
        out = folder / "naive"
        out.mkdir(exist_ok=True)
        paths = sorted((folder / "extracted").iterdir())
        pool(delayed(naive_format)(path, out / path.name) for path in paths)

    with Parallel(n_jobs=cores(), backend=FORKED) as pool:
        own, first = in_turn(ours, naive, repeats=REPEATS)
    return Row("sentences of documents", "MB/s", size / own, size / first, "published rule, naive loop")


def naive_format(path: Path, out: Path) -> None:
    """Cut the documents of a file after `. ! ? ;`, line by line."""
    with path.open() as lines, out.open("w") as written:
        for line in lines:
            if line.startswith("</doc>"):
                written.write("\n")
            elif not line.startswith("<doc"):
                for sentence in re.split(r"(?<=[.!?;。！？；])|(?<=……)", line):
                    if len(sentence.split()) > 7:
                        written.write(sentence.strip() + "\n")
