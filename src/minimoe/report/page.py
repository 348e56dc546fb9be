"""Write the report: a self-contained HTML page, rendered from page.html, with tables as CSV and Markdown beside it.

The template says how the page looks; this module prepares what it shows.
"""

from collections.abc import Callable, Iterable, Mapping
from importlib import resources
from itertools import islice
from pathlib import Path
from types import MappingProxyType

import jinja2
from markupsafe import Markup

from minimoe.report import figures
from minimoe.report.ablations import PARTS, Ablation
from minimoe.report.cells import column_groups, cost_cells, cost_groups, majority_cells, metric_names, score_cells
from minimoe.report.collect import Results
from minimoe.report.drawing import slug
from minimoe.report.findings import Findings, find
from minimoe.report.models import ASSISTED, KINDS, Model
from minimoe.report.provenance import Provenance
from minimoe.report.published import CLAIM, PUBLISHED
from minimoe.report.questions import EXPERTS
from minimoe.report.scores import big, first_column, headline, headlines
from minimoe.report.seed_tables import seeds_table
from minimoe.report.tables import (
    MAJORITY,
    about_first,
    about_untrained,
    differences_table,
    markdown,
    models_table,
    terminal,
)
from minimoe.report.tiles import tiles
from minimoe.system.files import whole_folder

FLAT = 12  # rows that need no headings between them
FIGURES = 12  # of one kind that are drawn; of more, the first
PAIRS = 40  # in a figure; of more, those of the largest differences


def write_report(
    results: Results, folder: str | Path, made: Provenance, cards: Mapping[str, str] = MappingProxyType({})
) -> None:
    """Write results, models and differences as .csv, results.md, results.txt (for a terminal) and index.html, or none.

    Of each student of `cards` also its card, cards/<round>/<student>/README.md.
    And exported.csv where something was exported, seeds.csv where students have several seeds of distillation.
    Only the page says when and from what it was `made`; the other files are the same at every run.
    """
    findings = find(results)
    with whole_folder(folder) as temporary:
        results.scores.to_csv(temporary / "results.csv", index=False)
        differences_table(findings.comparisons, findings.as_they_are).to_csv(temporary / "differences.csv", index=False)
        models_table(results).to_csv(temporary / "models.csv", index=False)
        if results.several:
            seeds_table(results).to_csv(temporary / "seeds.csv", index=False)
        if not results.exported.empty:
            results.exported.to_csv(temporary / "exported.csv", index=False)
        (temporary / "results.md").write_text(markdown(results, findings), encoding="utf-8")
        (temporary / "results.txt").write_text(terminal(results, findings) + "\n", encoding="utf-8")
        (temporary / "index.html").write_text(page(results, findings, made), encoding="utf-8")
        for model, card in cards.items():
            path = temporary / "cards" / model / "README.md"
            path.parent.mkdir(parents=True)
            path.write_text(card, encoding="utf-8")


def page(results: Results, findings: Findings, made: Provenance) -> str:
    """The whole page as HTML."""
    source = resources.files("minimoe.report").joinpath("page.html").read_text(encoding="utf-8")
    template = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True).from_string(source)
    models = results.models.values()
    return template.render(
        models=models,
        rows=_rows(models),
        width=2 + len(results.columns) + sum(len(names) for _, names in cost_groups(results)),
        kinds=[kind for kind in KINDS if any(model.kind == kind for model in models)],
        assisted=ASSISTED,
        slug=slug,
        made=made,
        results=results,
        runs=_runs(results),
        tiles=tiles(results),
        sentences=[sentence.replace(" %", "\u00a0%").partition(": ")[::2] for sentence in findings.sentences],
        parts=PARTS,
        groups=column_groups(results.columns),
        first=first_column(results),
        about_first=about_first(results),
        about_untrained=about_untrained(results),
        metrics=metric_names(results),
        majority=majority_cells(results),
        scores=score_cells(results),
        cost_groups=cost_groups(results),
        score_labels=[f"{first_column(results)[0]} score", *(column.name for column in results.columns)],
        cost_labels=[f"{heading} {name} {unit}" for heading, names in cost_groups(results) for name, unit in names],
        costs=cost_cells(results),
        compute=_compute_figures(results, findings),
        ablations=findings.sections,
        sweep=_sweep_figures(results),
        curves=_curve_figures(results),
        differences=_differences(results, findings),
        experts=[model for model in models if model.expert_load and not model.task_teacher],
        published=PUBLISHED,
        claim=CLAIM,
        big=big,
        majority_name=MAJORITY,
    )


def _rows(models: Iterable[Model]) -> list[tuple[str, list[Model]]]:
    """(heading, models): the table as it is where it is short, else by kind."""
    models = list(models)
    if len(models) <= FLAT:
        return [("", models)]
    return [(kind, own) for kind in KINDS if (own := [model for model in models if model.kind == kind])]


def _runs(results: Results) -> str:
    """The seeds that scores are means over."""
    seeds = ", ".join(map(str, results.seeds))
    return f"seed {seeds}, one run a score" if len(results.seeds) == 1 else f"seeds {seeds}"


def _compute_figures(results: Results, findings: Findings) -> list[tuple[str, Markup]]:
    """(label, figure) for the headline score, and for CoNLL where the headline is GLUE."""
    pairs = [pair for pair in findings.comparisons if pair.question.startswith(EXPERTS)]
    return [
        (label, Markup(figures.compute_figure(results, table["mean"], label, pairs)))
        for label, table in headlines(results)
    ]


def _sweep_figures(results: Results) -> Callable[[Ablation], Markup | None]:
    """Gives the figure of a small table that is a sweep over the number of experts, as long as they are few."""
    left = iter(range(FIGURES))

    def figure(table: Ablation) -> Markup | None:
        if not table.sweep or next(left, None) is None:
            return None
        return Markup(figures.experts_figure(results, table.sweep, *headline(results)))

    return figure


def _curve_figures(results: Results) -> list[tuple[str, str, Markup]]:
    """(round, its teacher, figure) for each round that trained; an assistant's round has two teachers."""
    panels: dict[tuple, list[Model]] = {}
    for model in results.models.values():
        if model.steps and not model.task_teacher:
            panels.setdefault((model.round, model.yardstick), []).append(model)
    drawn = [(models[0], figures.curves_figure(results, models)) for models in islice(panels.values(), FIGURES)]
    return [(model.round, model.taught_by, Markup(svg)) for model, svg in drawn if svg]


def _differences(results: Results, findings: Findings) -> list[tuple[str, Markup]]:
    """(question, figure) for each of the first kinds of comparison."""
    questions = dict.fromkeys(pair.question for pair in findings.comparisons)
    scale, found = figures.scale_of(findings.comparisons), []
    models = results.models | {group.name: group.first for group in results.several}
    for question in islice(questions, FIGURES):
        pairs = [pair for pair in findings.comparisons if pair.question == question]
        label = question if len(pairs) <= PAIRS else f"{question}: the {PAIRS} largest of {len(pairs)} differences"
        drawn = sorted(pairs, key=lambda pair: -abs(pair.mean))[:PAIRS] if len(pairs) > PAIRS else pairs
        found.append((label, Markup(figures.differences_figure(drawn, models, question, scale))))
    return found
