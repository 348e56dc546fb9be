"""The report's files, all at once or none of them."""

from pathlib import Path

from minimoe.report.collect import Results
from minimoe.report.findings import find
from minimoe.report.page import page
from minimoe.report.provenance import Provenance
from minimoe.report.tables import markdown, models_table, terminal
from minimoe.system.files import whole_folder


def write_report(results: Results, folder: str | Path, made: Provenance) -> None:
    """Write results.csv, models.csv, results.md, results.txt (for a terminal) and index.html into `folder`.

    The page alone says when and from what it was `made`: the rest is the same at every run.
    """
    findings = find(results)
    with whole_folder(folder) as temporary:
        results.scores.to_csv(temporary / "results.csv", index=False)
        models_table(results).to_csv(temporary / "models.csv", index=False)
        (temporary / "results.md").write_text(markdown(results, findings), encoding="utf-8")
        (temporary / "results.txt").write_text(terminal(results, findings) + "\n", encoding="utf-8")
        (temporary / "index.html").write_text(page(results, findings, made), encoding="utf-8")
