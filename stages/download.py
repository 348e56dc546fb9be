"""download: the dump, or another corpus, comes to data/dump, from files, from the network or from the hub."""

from minimoe.corpus.data_set import download_data_set
from minimoe.corpus.download import download
from minimoe.hub.origin import record
from minimoe.params import load
from minimoe.params.settings import settings
from stages import run

FOLDER = "data/dump"


def main() -> None:
    """Run the stage."""
    chosen, read = settings("download"), {}
    if chosen["source"] == "hub":
        hub, revision = chosen["hub"], chosen["revision"]
        commit = download_data_set(hub, revision, chosen["files"], FOLDER)
        read["corpus"] = {"hub": hub, "revision": revision, "commit": commit}
    else:
        download(**{"path": "", "wiki": "", "date": ""} | chosen, folder=FOLDER, work="work/download")
    record("corpus", "download", read, load().runtime.tracking)
    print(f"download: {FOLDER}")


if __name__ == "__main__":
    run(main)
