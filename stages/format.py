"""format: documents become sentences, one a line, a blank line between documents."""

from minimoe.corpus.format import format_corpus, unit
from minimoe.corpus.parallel import cluster
from minimoe.params import load
from minimoe.params.settings import settings
from minimoe.resume.work import remove, work_folder
from minimoe.system.machine import workers
from stages import run


def main() -> None:
    """Run the stage."""
    chosen, runtime = settings("format"), load().runtime
    work = work_folder("format", "", ["data/extracted"], chosen)
    with cluster(runtime.backend, runtime.scheduler):
        counts = format_corpus(
            "data/extracted",
            "data/formatted",
            **chosen,
            workers=workers(runtime.workers),
            work=work,
            minutes=runtime.checkpoint_minutes,
        )
    remove(work)
    length = f"{counts.length} {unit(chosen['language'])}"
    print(f"format: {counts.documents} documents, {counts.sentences} sentences, {length}")


if __name__ == "__main__":
    run(main)
