"""report: every metric of the table's models as tables, figures and a page."""

from minimoe import tracking
from minimoe.params import load
from minimoe.report.collect import collect
from minimoe.report.provenance import provenance
from minimoe.report.write import write_report
from stages import run

FOLDER = "reports"


def main() -> None:
    """Run the stage."""
    params = load()
    results = collect(
        ".",
        models=params.table.models,
        tasks=params.table.tasks,
        rounds=params.rounds,
        distill=params.distill,
        length=params.cost.length,
        batches=params.cost.batches,
    )
    write_report(results, FOLDER, provenance(params))
    with tracking.run(params.runtime.tracking, "report", tags={"stage": "report"}, params={}) as tracker:
        tracker.artifact(FOLDER)
    print("report: reports/index.html")


if __name__ == "__main__":
    run(main)
