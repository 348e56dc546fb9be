"""BERT's sentence pairs: which tokens of the corpus make up each training example.

A corpus is one long row of tokens. `starts[s]` is where sentence s starts in it, and one more entry is the end of
the last; `documents[d]` is the first sentence of document d, and one more entry is the number of sentences. A, B
and what truncation leaves of them are runs of that row, so a pair is four numbers and nothing is copied.

Every draw comes from a generator seeded for its document, so a document's pairs depend on the seed, its number
and the corpus: never on which worker builds them or what else it builds.
"""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from random import Random

Span = tuple[int, int]


def generator(seed: int, document: int) -> Random:
    """The random numbers of one document."""
    return Random((seed << 64) | document)


def pairs(
    place: int,
    part: Sequence[int],
    starts: Sequence[int],
    documents: Sequence[int],
    budget: int,
    short_probability: float,
    rng: Random,
) -> Iterator[tuple[Span, Span]]:
    """The pairs (A, B) of document `part[place]`, each a `start, end` in the row of tokens, at most `budget` together.

    `create_instances_from_document` of BERT's create_pretraining_data.py: sentences are gathered up to a target
    length and A is a random number of the first; B is the rest or, half of the time, starts at a random sentence
    of a random other document of `part`, and the rest is used again. The part has two documents or more, and no
    sentence is empty.
    """
    target = budget
    if rng.random() < short_probability:  # once a document, as in BERT
        target = 2 + below(budget - 1, rng)
    document = part[place]
    sentence, last = documents[document], documents[document + 1]
    while sentence < last:
        end = _reach(starts, sentence, last, target)
        split = sentence + 1 + (below(end - sentence - 1, rng) if end - sentence > 1 else 0)
        a = starts[sentence], starts[split]
        if end - sentence == 1 or rng.random() < 0.5:
            b = _elsewhere(place, part, starts, documents, target - (a[1] - a[0]), rng)
            sentence = split
        else:
            b = starts[split], starts[end]
            sentence = end
        yield truncate(a, b, budget, rng)


def truncate(a: Span, b: Span, budget: int, rng: Random) -> tuple[Span, Span]:
    """A and B cut to `budget` tokens together: one after another off the longer, front or back at random.

    BERT removes single tokens, each by a draw of its own; so the number of tokens off the front is the number of
    ones among as many random bits.
    """
    long_a, long_b = a[1] - a[0], b[1] - b[0]
    if long_a + long_b <= budget:
        return a, b
    keep_a, keep_b = _kept(long_a, long_b, budget)
    return _cut(a, long_a - keep_a, rng), _cut(b, long_b - keep_b, rng)


def _kept(long_a: int, long_b: int, budget: int) -> Span:
    """Lengths left when tokens come off the longer side, off B when both are as long."""
    if 2 * min(long_a, long_b) >= budget:
        return budget - budget // 2, budget // 2
    return (budget - long_b, long_b) if long_a > long_b else (long_a, budget - long_a)


def _cut(span: Span, tokens: int, rng: Random) -> Span:
    front = rng.getrandbits(tokens).bit_count()
    return span[0] + front, span[1] - (tokens - front)


def _elsewhere(
    place: int, part: Sequence[int], starts: Sequence[int], documents: Sequence[int], tokens: int, rng: Random
) -> Span:
    """Sentences from a random one of another document of the part on, one or more, until there are `tokens` tokens."""
    other = below(len(part) - 1, rng)
    document = part[other + (other >= place)]
    first, last = documents[document], documents[document + 1]
    sentence = first + below(last - first, rng)
    return starts[sentence], starts[_reach(starts, sentence, last, tokens)]


def _reach(starts: Sequence[int], sentence: int, last: int, tokens: int) -> int:
    """The end of the fewest sentences from `sentence` on, one or more, with `tokens` tokens; at most `last`."""
    return min(bisect_left(starts, starts[sentence] + tokens, sentence + 1, last), last)


def below(limit: int, rng: Random) -> int:
    """A random number in [0, limit): by `random()`, whose sequence Python guarantees for a seed."""
    return int(rng.random() * limit)
