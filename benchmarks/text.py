"""Made-up text that repeats its words about as often as English does, and a tokenizer for it.

The word of rank r has the share (r + 20)^-1.45, so five million words hold some 180,000 different ones, as in five
million words of Wikipedia. A word is its rank written in syllables, so frequent ones are short.
"""

from functools import cache
from pathlib import Path

import numpy as np
from transformers import BertTokenizer

SYLLABLES = [f"{first}{last}" for first in "bcdfghjklmnprstvwxyz" for last in "aeiou"]
RANKS = 1_000_000
WHOLE = 20_000  # the most frequent words are tokens
SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")


def write_text(folder: Path, files: int, words: int = 200_000) -> int:
    """Write formatted files, each of `words` words (about a megabyte); returns their bytes."""
    folder.mkdir()
    for number in range(files):
        (folder / f"{number:05d}.txt").write_text(text(number, words))
    return sum(path.stat().st_size for path in folder.iterdir())


def text(number: int, words: int = 200_000) -> str:
    """The formatted file of this number."""
    rng = np.random.default_rng(number)
    ranks = np.searchsorted(_shares(), rng.random(words) * _shares()[-1]).tolist()
    lengths = rng.integers(8, 40, words // 8).tolist()
    return _sentences([_word(rank) for rank in ranks], lengths)


@cache
def _shares() -> np.ndarray:
    """The shares of the words up to each rank, added up."""
    return np.cumsum((np.arange(RANKS) + 20.0) ** -1.45)


@cache
def _word(rank: int) -> str:
    syllables = SYLLABLES[rank % 100]
    while rank := rank // 100:
        syllables = SYLLABLES[rank % 100] + syllables
    return syllables


def _sentences(words: list[str], lengths: list[int]) -> str:
    """Sentences of so many words, a comma in each, ten of them a document."""
    lines, at = [], 0
    for number, length in enumerate(lengths):
        some = words[at : at + length]
        if len(some) < 8:
            break
        lines.append(f"{' '.join(some[:5]).capitalize()}, {' '.join(some[5:])}.\n" + "\n" * (number % 10 == 9))
        at += length
    return "".join(lines) + "\n"


def write_tokenizer(folder: Path) -> Path:
    """Save WordPiece with BERT's rules and 20,238 tokens; returns the folder."""
    letters = [chr(code) for code in range(33, 127)]
    words = [_word(rank) for rank in range(WHOLE)]
    pieces = dict.fromkeys([*SPECIAL, *letters, *SYLLABLES, *(f"##{piece}" for piece in SYLLABLES), *words])
    BertTokenizer(vocab={piece: number for number, piece in enumerate(pieces)}).save_pretrained(folder)
    return folder
