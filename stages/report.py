"""report: every metric of the table's models as tables, figures and a page."""

from minimoe import tracking
from minimoe.params import load
from minimoe.params.rounds import Distill
from minimoe.params.settings import round_of, settings
from minimoe.report.collect import collect
from minimoe.report.page import write_report
from minimoe.report.provenance import provenance
from minimoe.tasks.task import from_settings
from stages import run

FOLDER = "reports"


def main() -> None:
    """Run the stage."""
    chosen = settings("report")
    rounds = {name: round_of(values)[0] for name, values in chosen.pop("rounds").items()}
    own = {name: from_settings(task) for name, task in chosen.pop("own").items()}
    comes_from = provenance(chosen.pop("inputs"))
    distill = Distill.model_construct()  # a round says all by itself
    results = collect(".", **chosen, rounds=rounds, distill=distill, own=own)
    write_report(results, FOLDER, comes_from)
    with tracking.run(load().runtime.tracking, "report", tags={"stage": "report"}, params={}) as tracker:
        tracker.artifact(FOLDER)
    print("report: reports/index.html")


if __name__ == "__main__":
    run(main)
