"""extract: the dump becomes documents, in the form that wikiextractor writes."""

from minimoe.corpus.extract import extract
from minimoe.params import load
from minimoe.params.settings import settings
from minimoe.resume.work import remove, work_folder
from minimoe.system.machine import workers
from stages import run


def main() -> None:
    """Run the stage."""
    chosen, runtime = settings("extract"), load().runtime
    work = work_folder("extract", "", ["data/dump"], chosen) if chosen["form"] != "wikipedia" else None
    documents = extract(
        "data/dump",
        "data/extracted",
        **{"templates": False} | chosen,  # which only wikipedia has
        workers=workers(runtime.workers),
        work=work,
        minutes=runtime.checkpoint_minutes,
    )
    if work:
        remove(work)
    print(f"extract: {documents} documents")


if __name__ == "__main__":
    run(main)
