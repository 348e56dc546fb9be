"""Records as one writes them first, straight from the description: the baseline of `records`.

Every sentence is tokenized by a call of its own, a pair is Python lists that lose one token after another, and the
`tfrecord` package writes them as lists of integers.
"""

import random
from functools import lru_cache
from pathlib import Path

from tfrecord.writer import TFRecordWriter
from transformers import AutoTokenizer, PreTrainedTokenizerFast

BUDGET = 125  # tokens of A and B together


def build(path: Path, tokenizer: Path, out: Path) -> int:
    """Write the records of a formatted file; returns how many."""
    tokenizer, rng = load(tokenizer), random.Random(776)
    documents: list[list[list[int]]] = [[]]
    for line in path.read_text().split("\n"):
        if line:
            documents[-1].append(tokenizer.convert_tokens_to_ids(tokenizer.tokenize(line)))
        elif documents[-1]:
            documents.append([])
    documents = [document for document in documents if document]
    writer, count = TFRecordWriter(str(out / f"{path.stem}.tfrecord")), 0
    for number in range(len(documents)):
        for a, b in pairs(documents, number, rng):
            ids = [tokenizer.cls_token_id, *a, tokenizer.sep_token_id, *b, tokenizer.sep_token_id]
            segments = [0] * (len(a) + 2) + [1] * (len(b) + 1)
            writer.write({"indices": (ids, "int"), "segments": (segments, "int")})
            count += 1
    writer.close()
    return count


@lru_cache
def load(folder: Path) -> PreTrainedTokenizerFast:
    """The tokenizer of a process."""
    return AutoTokenizer.from_pretrained(folder)


def pairs(documents: list[list[list[int]]], number: int, rng: random.Random) -> list[tuple[list[int], list[int]]]:
    """The pairs of a document."""
    document, made, at = documents[number], [], 0
    target = rng.randint(2, BUDGET) if rng.random() < 0.1 else BUDGET
    while at < len(document):
        chunk = []
        while at < len(document) and sum(map(len, chunk)) < target:
            chunk.append(document[at])
            at += 1
        split = rng.randint(1, len(chunk) - 1) if len(chunk) > 1 else 1
        a, b = flat(chunk[:split]), flat(chunk[split:])
        if len(chunk) == 1 or rng.random() < 0.5:
            at -= len(chunk) - split
            other = rng.choice([n for n in range(len(documents)) if n != number])
            b = []
            for sentence in documents[other][rng.randrange(len(documents[other])) :]:
                b = b + sentence
                if len(b) >= target - len(a):
                    break
        while len(a) + len(b) > BUDGET:
            longer = a if len(a) > len(b) else b
            del longer[0 if rng.random() < 0.5 else -1]
        made.append((a, b))
    return made


def flat(sentences: list[list[int]]) -> list[int]:
    """The ids of all sentences."""
    return [number for sentence in sentences for number in sentence]
