"""format: documents become sentences, one a line, a blank line between documents."""

from minimoe.corpus.format import format_corpus, unit
from minimoe.corpus.parallel import cluster
from minimoe.params import load
from minimoe.runtime import workers
from minimoe.work import remove, work_folder
from stages import run


def main() -> None:
    """Run the stage."""
    params = load()
    corpus = params.corpus
    work = work_folder("format", "", ["data/extracted"], [corpus.language, corpus.format.model_dump()])
    with cluster(params.runtime.backend, params.runtime.scheduler):
        counts = format_corpus(
            "data/extracted",
            "data/formatted",
            language=corpus.language,
            splitter=corpus.format.splitter,
            min_length=corpus.format.min_length,
            workers=workers(params.runtime.workers),
            work=work,
            minutes=params.runtime.checkpoint_minutes,
        )
    remove(work)
    length = f"{counts.length} {unit(corpus.language)}"
    print(f"format: {counts.documents} documents, {counts.sentences} sentences, {length}")


if __name__ == "__main__":
    run(main)
