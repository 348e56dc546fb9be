"""extract: the dump becomes documents, by wikiextractor."""

from minimoe.corpus.extract import extract
from minimoe.errors import exit_cleanly
from minimoe.params import load
from minimoe.runtime import workers


def main() -> None:
    """Run the stage."""
    params = load()
    articles = extract(
        "data/dump",
        "data/extracted",
        templates=params.corpus.extract.templates,
        workers=workers(params.runtime.workers),
    )
    print(f"extract: {articles} articles")


if __name__ == "__main__":
    exit_cleanly(main)
