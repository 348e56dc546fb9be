"""report: every metric of the table's models as tables, figures and a page, and a card for every student."""

from dataclasses import replace
from pathlib import Path

from minimoe import tracking
from minimoe.params import load
from minimoe.params.rounds import Distill, Round
from minimoe.params.settings import round_of, settings
from minimoe.publish.card import Run
from minimoe.publish.sources import read_sources
from minimoe.report.collect import Results, collect
from minimoe.report.exported import collect_exported
from minimoe.report.page import write_report
from minimoe.report.provenance import provenance
from minimoe.report.scores import best_at, headline
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
    language, sources = chosen.pop("language"), read_sources(".", chosen.pop("sources"))
    exported = collect_exported(".", chosen.pop("exported"), chosen["batches"])
    results = replace(collect(".", **chosen, rounds=rounds, distill=distill, own=own), exported=exported)
    students = Run(Path(), results, rounds, distill, language, sources, comes_from.invented, own)
    write_report(results, FOLDER, comes_from, students.cards())
    read = {"data/settings/report.json": "settings"}
    with tracking.run(load().runtime.tracking, "report", {"stage": "report"}, {}, inputs=read) as tracker:
        tracker.artifact(FOLDER)
        tracker.register(_students(results, rounds), {f"best-at-{key}": name for key, name in best_at(results).items()})
    print("report: reports/index.html")


def _students(results: Results, rounds: dict[str, Round]) -> list[tracking.Registered]:
    """The table's students for the model registry."""
    label, scores = headline(results)
    students = []
    for model in results.models.values():
        if model.round and not model.task_teacher:
            read = (f"data/settings/rounds/{model.round}.json", "data/records", rounds[model.round].teacher)
            cost = results.costs_by_model[model.name]
            about = {"score": f"{scores['mean'][model.name]:.2f}", "score.of": label}
            about[cost.index[0]] = f"{cost.iloc[0]:.0f}"  # multiply-adds, as models.csv names them
            students.append(tracking.Registered(model.name, read, about))
    return students


if __name__ == "__main__":
    run(main)
