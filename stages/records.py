"""records: sentences become training examples, in shards with an index."""

from minimoe.corpus.build import build_records
from minimoe.corpus.parallel import cluster
from minimoe.params import load
from minimoe.params.settings import settings
from minimoe.records.dataset import check_heldout
from minimoe.resume.work import remove, work_folder
from minimoe.system.machine import workers
from stages import run


def main() -> None:
    """Run the stage."""
    params = load()
    chosen, runtime = settings("records"), params.runtime
    files = {"shard_records": runtime.shard_records}  # how they are cut into files changes no record
    work = work_folder("records", "", ["data/formatted", "data/tokenizer"], chosen | files)
    with cluster(runtime.backend, runtime.scheduler):
        manifest = build_records(
            "data/formatted",
            "data/tokenizer",
            "data/records",
            **chosen,
            **files,
            workers=workers(runtime.workers),
            work=work,
            minutes=runtime.checkpoint_minutes,
        )
    # a round would fail on it after the teacher's hours of training; `work` stays, so the next run is quick
    for key, count in params.measured.items():
        check_heldout(manifest, count, key)
    remove(work)
    print(f"records: {manifest['count']} in {len(manifest['shards'])} files, {manifest['heldout']} of them held out")


if __name__ == "__main__":
    run(main)
