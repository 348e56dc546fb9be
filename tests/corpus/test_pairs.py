from itertools import accumulate
from random import Random

import pytest

from minimoe.corpus.pairs import generator, pairs, truncate


def corpus(seed, documents=30, sentences=12, tokens=40):
    """A random corpus as lists of sentences, each a list of tokens that are their own places in the row."""
    rng = Random(seed)
    place = iter(range(10**9))
    return [
        [[next(place) for _ in range(rng.randint(1, tokens))] for _ in range(rng.randint(1, sentences))]
        for _ in range(documents)
    ]


def layout(texts):
    starts = [0, *accumulate(len(sentence) for text in texts for sentence in text)]
    return starts, [0, *accumulate(map(len, texts))]


def bert(texts, number, budget, short_probability, rng):
    """`create_instances_from_document` as BERT wrote it, on lists of tokens, with this project's draws."""
    document, target = texts[number], budget
    if rng.random() < short_probability:
        target = 2 + int(rng.random() * (budget - 1))
    chunk, length, i = [], 0, 0
    while i < len(document):
        chunk.append(document[i])
        length += len(document[i])
        if i == len(document) - 1 or length >= target:
            a_end = 1 + int(rng.random() * (len(chunk) - 1)) if len(chunk) >= 2 else 1
            a = [token for sentence in chunk[:a_end] for token in sentence]
            b = []
            if len(chunk) == 1 or rng.random() < 0.5:
                other = int(rng.random() * (len(texts) - 1))
                other += other >= number
                start = int(rng.random() * len(texts[other]))
                for sentence in texts[other][start:]:
                    b.extend(sentence)
                    if len(b) >= target - len(a):
                        break
                i -= len(chunk) - a_end
            else:
                b = [token for sentence in chunk[a_end:] for token in sentence]
            yield bert_truncate(a, b, budget, rng)
            chunk, length = [], 0
        i += 1


def bert_truncate(a, b, budget, rng):
    long_a, long_b = len(a), len(b)
    while long_a + long_b > budget:
        if long_a > long_b:
            long_a -= 1
        else:
            long_b -= 1
    for side, keep in ((a, long_a), (b, long_b)):
        if len(a) + len(b) <= budget and len(side) == keep:
            continue
        excess = len(side) - keep
        for bit in f"{rng.getrandbits(excess):0{excess}b}" if excess else "":
            del side[0 if bit == "1" else -1]
    return a, b


@pytest.mark.parametrize("budget,short", [(125, 0.1), (20, 0.5), (6, 0.0), (125, 1.0)])
def test_equal_to_bert_on_token_lists(budget, short):
    texts = corpus(budget)
    starts, documents = layout(texts)
    made = 0
    for number in range(len(texts)):
        ours = pairs(number, range(len(texts)), starts, documents, budget, short, generator(5, number))
        theirs = list(bert(texts, number, budget, short, generator(5, number)))
        assert [tuple([*range(*span)] for span in pair) for pair in ours] == theirs
        made += len(theirs)
    assert made > len(texts)


def test_every_pair_keeps_its_promises():
    texts = corpus(1, documents=60)
    starts, documents = layout(texts)
    elsewhere = total = 0
    for number in range(len(texts)):
        low, high = starts[documents[number]], starts[documents[number + 1]]
        for a, b in pairs(number, range(len(texts)), starts, documents, 50, 0.1, generator(0, number)):
            assert a[1] - a[0] > 0 and b[1] - b[0] > 0 and a[1] - a[0] + b[1] - b[0] <= 50
            assert low <= a[0] and a[1] <= high
            elsewhere += not low <= b[0] < high
            total += 1
    assert 0.4 < elsewhere / total < 0.75  # half, and where only one sentence was left


def test_a_document_depends_on_the_seed_and_its_number_alone():
    starts, documents = layout(corpus(2))

    def built(number, seed):
        return list(pairs(number, range(30), starts, documents, 60, 0.1, generator(seed, number)))

    forwards = [built(number, 776) for number in range(30)]
    backwards = [built(number, 776) for number in reversed(range(30))][::-1]
    assert forwards == backwards
    assert forwards != [built(number, 777) for number in range(30)]


def test_truncation_takes_front_and_back_alike():
    fronts = [truncate((0, 100), (200, 210), 60, Random(seed))[0][0] for seed in range(200)]
    assert 22 < sum(fronts) / len(fronts) < 28  # half of 50
    assert min(fronts) > 5 and max(fronts) < 45
    assert truncate((0, 30), (50, 80), 60, Random(0)) == ((0, 30), (50, 80))
