"""records: sentences become training examples, in shards with an index."""

from minimoe.corpus.build import build_records
from minimoe.corpus.parallel import cluster
from minimoe.params import load
from minimoe.runtime import workers
from minimoe.work import remove, work_folder
from stages import run


def main() -> None:
    """Run the stage."""
    params = load()
    records = params.corpus.records
    facts = [params.seed, records.model_dump()]
    work = work_folder("records", "", ["data/formatted", "data/tokenizer"], facts)
    with cluster(params.runtime.backend, params.runtime.scheduler):
        manifest = build_records(
            "data/formatted",
            "data/tokenizer",
            "data/records",
            max_length=records.max_length,
            short_probability=records.short_probability,
            shard_records=records.shard_records,
            heldout=records.heldout,
            seed=params.seed,
            workers=workers(params.runtime.workers),
            work=work,
            minutes=params.runtime.checkpoint_minutes,
        )
    remove(work)
    print(f"records: {manifest['count']} in {len(manifest['shards'])} files, {manifest['heldout']} of them held out")


if __name__ == "__main__":
    run(main)
