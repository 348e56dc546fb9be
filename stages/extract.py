"""extract: the dump becomes documents, in the form that wikiextractor writes."""

from minimoe.corpus.extract import extract
from minimoe.errors import exit_cleanly
from minimoe.params import load
from minimoe.runtime import workers


def main() -> None:
    """Run the stage."""
    params = load()
    documents = extract(
        "data/dump",
        "data/extracted",
        form=params.corpus.extract.form,
        templates=params.corpus.extract.templates,
        workers=workers(params.runtime.workers),
    )
    print(f"extract: {documents} documents")


if __name__ == "__main__":
    exit_cleanly(main)
