"""Shuffle records by a keyed permutation, any part of which can be computed without the rest.

A Feistel network permutes the numbers of so many bits, because combining one half with a keyed hash of the other can
be undone whatever the hash is. Where a number comes out too large it goes through again until it does not: cycle
walking, which makes it a permutation of any count (Black and Rogaway 2002, "Ciphers with arbitrary finite domains").
It takes no memory, and is the same everywhere, as it is made of integers alone.
"""

import hashlib
from collections.abc import Sequence

import numpy as np

ROUNDS = 8  # a key each
_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)
_HALF = np.uint64(32)


def shuffled(numbers: Sequence[int], seed: int, epoch: int, start: int, stop: int) -> np.ndarray:
    """`numbers`, a range or an array, in the order of an epoch, from `start` to `stop` of it: int64 [stop - start].

    The order depends on how many numbers there are, `seed` and `epoch` alone.
    """
    keys = np.frombuffer(hashlib.blake2b(f"{seed} {epoch}".encode(), digest_size=8 * ROUNDS).digest(), "<u8")
    bits = (len(numbers) - 1).bit_length()
    places = _permuted(np.arange(start, stop, dtype=np.uint64), bits, keys)
    while len(beyond := np.flatnonzero(places >= len(numbers))):
        places[beyond] = _permuted(places[beyond], bits, keys)
    places = places.astype(np.int64)
    return numbers.start + places if isinstance(numbers, range) else numbers[places]


def _permuted(values: np.ndarray, bits: int, keys: np.ndarray) -> np.ndarray:
    """Where a Feistel network sends `values` of so many bits, uint64."""
    low_bits = np.uint64(bits // 2)
    low_mask, high_mask = (np.uint64((1 << width) - 1) for width in (bits // 2, bits - bits // 2))
    low, high = values & low_mask, values >> low_bits
    for number, key in enumerate(keys):
        if number % 2:
            low ^= _hash(high, key) & low_mask
        else:
            high ^= _hash(low, key) & high_mask
    return high << low_bits | low


def _hash(values: np.ndarray, key: np.uint64) -> np.ndarray:
    """A number of 32 bits for each of `values`."""
    mixed = (values + key) * _MULTIPLIER
    mixed ^= mixed >> _HALF
    mixed *= _MULTIPLIER
    return mixed >> _HALF
