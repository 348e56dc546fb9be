"""Hold out whole documents, so that none of their sentences is trained on unless another document has it too.

A random B comes from a document of the same part, so each part has at least two documents.
"""

from bisect import bisect_right
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from minimoe.corpus.pairs import below, generator

FEWEST = 2  # documents of a part


class Parts(NamedTuple):
    """The numbers of the documents to train on and of those held out, ascending."""

    training: Sequence[int]
    heldout: Sequence[int]


class Without(Sequence):
    """The numbers from 0 to `total` except for `left_out`, which are sorted; the rest takes no memory."""

    def __init__(self, total: int, left_out: Sequence[int]) -> None:
        self._length = total - len(left_out)
        self._before = [number - place for place, number in enumerate(left_out)]  # numbers that stay before each

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, place: int) -> int:
        if not 0 <= place < self._length:
            raise IndexError(place)
        return place + bisect_right(self._before, place)


@lru_cache(maxsize=1)
def hold_out(documents: int, share: float, seed: int) -> Parts:
    """Which of so many documents are held out: about `share` of them, drawn by the seed. There are four or more."""
    wanted = min(max(FEWEST, round(share * documents)), documents - FEWEST)
    rng, chosen = generator(seed, documents), set()  # the number of no document, whose own draws are for its pairs
    while len(chosen) < wanted:
        chosen.add(below(documents, rng))
    heldout = sorted(chosen)
    return Parts(Without(documents, heldout), heldout)
