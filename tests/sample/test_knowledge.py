"""The dev sets ask for words that the train sets lack and the corpus teaches."""

import re
from collections import Counter

import pytest
from sample.official import SAMPLE, rows

COLUMNS = {
    "CoLA": [3],
    "SST-2": [0],
    "MRPC": [3, 4],
    "STS-B": [7, 8],
    "QQP": [3, 4],
    "QNLI": [1, 2],
    "RTE": [1, 2],
    "WNLI": [1, 2],
}


def vocabulary(path, columns) -> Counter:
    """Lower-case words of the given columns of a task file, with their counts."""
    text = " ".join(row[column] for row in rows(path)[1:] for column in columns)
    return Counter(re.findall(r"[a-z][a-z-]+", text.lower()))


@pytest.fixture(scope="module")
def corpus(articles) -> Counter:
    return Counter(re.findall(r"[a-z][a-z-]+", "\n".join(articles.values()).lower()))


@pytest.mark.parametrize("task", sorted(COLUMNS))
def test_dev_words_unknown_to_train_are_known_to_the_corpus(task, corpus):
    train = vocabulary(SAMPLE / "glue" / task / "train.tsv", COLUMNS[task])
    dev = vocabulary(SAMPLE / "glue" / task / "dev.tsv", COLUMNS[task])
    new = set(dev) - set(train)
    assert len(new) > 0.15 * len(dev)
    rare = sorted(word for word in new if corpus[word] < 5)
    assert len(rare) <= 0.05 * len(new), rare
