from corpus.fixtures import bert, build, roberta  # noqa: F401
