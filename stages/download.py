"""download: the dump comes to data/dump, from a file or from the network."""

from minimoe.corpus.download import download
from minimoe.params.settings import settings
from stages import run


def main() -> None:
    """Run the stage."""
    chosen = {"path": "", "wiki": "", "date": ""} | settings("download")  # empty: of another source
    dump = download(**chosen, folder="data/dump", work="work/download")
    print(f"download: {dump}")


if __name__ == "__main__":
    run(main)
