"""Made text, the speed at which it becomes sentences and records, and the records themselves."""

import io
import time
from contextlib import redirect_stderr
from pathlib import Path

import numpy as np
from transformers import BertTokenizer

from minimoe.corpus.build import build_records
from minimoe.corpus.format import format_corpus
from minimoe.corpus.tokenize import encoder_tokenizer
from minimoe.teacher.tokenizer import SPECIAL

WORDS, DOCUMENTS = 3000, 1500  # about 3 MB
LETTERS = "etaoinshrdlcumwfgypbvk"


def write_text(folder: Path) -> int:
    """Made documents in wikiextractor's form, words by Zipf's law; returns the bytes written."""
    draw = np.random.default_rng(0)
    words = ["".join(draw.choice(list(LETTERS), size)) for size in draw.integers(2, 11, WORDS)]
    frequency = 1 / np.arange(1, WORDS + 1)
    documents = []
    for number in range(DOCUMENTS):
        drawn = draw.choice(words, (15, 20), p=frequency / frequency.sum())
        body = " ".join(" ".join(sentence).capitalize() + "." for sentence in drawn)
        documents.append(f'<doc id="{number}" url="" title="{number}">\n{number}\n\n{body}\n</doc>\n')
    folder.mkdir()
    (folder / "wiki_00").write_text("".join(documents), encoding="utf-8")
    # every other word is a token, the others are put together from pieces
    pieces = [*words[::2], *LETTERS, *(f"##{a}{b}" for a in LETTERS for b in LETTERS), *(f"##{a}" for a in LETTERS)]
    vocabulary = {token: number for number, token in enumerate(dict.fromkeys([*SPECIAL, *pieces]))}
    BertTokenizer(vocab=vocabulary).save_pretrained(folder.parent / "tokenizer")
    return (folder / "wiki_00").stat().st_size


def process(work: Path, language: str, splitter: str, length: int) -> tuple[float, float]:
    """Bytes a second and process of formatting and of record building; the records are in `work`/records."""
    extracted = write_text(work / "extracted")
    encoder_tokenizer(work / "tokenizer")  # what is imported for it counts as a stage's beginning
    with redirect_stderr(io.StringIO()):  # no bars
        start = time.perf_counter()
        format_corpus(work / "extracted", work / "formatted", language, splitter, 0, workers=1)
        middle = time.perf_counter()
        build_records(
            work / "formatted", work / "tokenizer", work / "records", length, 0.1, 1 << 20, 0.01, seed=0, workers=1
        )
        end = time.perf_counter()
    formatted = sum(file.stat().st_size for file in (work / "formatted").iterdir())
    return extracted / (middle - start), formatted / (end - middle)
