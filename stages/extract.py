"""extract: the dump becomes documents, in the form that wikiextractor writes."""

from minimoe.corpus.extract import extract
from minimoe.params import load
from minimoe.runtime import workers
from minimoe.work import remove, work_folder
from stages import run


def main() -> None:
    """Run the stage."""
    params = load()
    chosen = params.corpus.extract
    work = None
    if chosen.form != "wikipedia":
        work = work_folder("extract", "", ["data/dump"], chosen.model_dump())
    documents = extract(
        "data/dump",
        "data/extracted",
        form=chosen.form,
        templates=chosen.templates,
        workers=workers(params.runtime.workers),
        work=work,
        minutes=params.runtime.checkpoint_minutes,
    )
    if work:
        remove(work)
    print(f"extract: {documents} documents")


if __name__ == "__main__":
    run(main)
