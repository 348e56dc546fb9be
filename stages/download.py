"""download: the dump comes to data/dump, from a file or from the network."""

from minimoe.corpus.download import download
from minimoe.params import load
from stages import run


def main() -> None:
    """Run the stage."""
    source = load().corpus.download
    dump = download(
        source.source,
        path=source.path,
        wiki=source.wiki,
        date=source.date,
        folder="data/dump",
        work="work/download",
    )
    print(f"download: {dump}")


if __name__ == "__main__":
    run(main)
