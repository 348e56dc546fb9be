"""download: the dump comes to data/dump, from a file or from the network."""

from minimoe.corpus.download import download
from minimoe.errors import exit_cleanly
from minimoe.params import load


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
    exit_cleanly(main)
