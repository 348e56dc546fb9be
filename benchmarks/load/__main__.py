"""`python -m benchmarks.load [NAME …] [--times N …]`: time, memory and disk, and how they grow with size.

A corpus of 20 MB of text, and ten and a hundred times as much, also on a Dask cluster; a round over five million
records; a grid of 200 cells; a report over 500 models. What has been measured in the folder is not measured again, so a
long one can be interrupted. `--table` prints the results as they stand in docs/performance.md.
"""

import argparse
import json
import tempfile
from datetime import date
from pathlib import Path

from benchmarks.load import corpus, grid, report, rounds
from minimoe.system.files import write_json
from minimoe.system.git import commit
from minimoe.system.machine import machine

NAMES = ["corpus", "round", "grid", "report"]
RESULTS = Path(__file__).with_name("results.json")


def main() -> None:
    """Measure what is named on the command line, or all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", choices=[[], *NAMES], default=[], metavar="NAME", help=", ".join(NAMES))
    parser.add_argument("--times", type=int, nargs="+", default=[1, 10], help="sizes, of 1, 10 and 100")
    parser.add_argument("--table", action="store_true", help="print the table of docs/performance.md")
    parser.add_argument("--folder", type=Path, help="where to work; kept")
    options = parser.parse_args()
    known = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    if options.table:
        print(markdown(known))
        return
    with tempfile.TemporaryDirectory() as temporary:
        folder = (options.folder or Path(temporary)).resolve()
        for name in options.names or NAMES:
            for times in options.times if name != "round" else [100]:
                rows = measure(name, folder, times)
                known |= {row["what"]: row | about() for row in rows}
                write_json(RESULTS, known)
                print("\n".join(map(line, rows)), flush=True)


def measure(name: str, folder: Path, times: int) -> list[dict]:
    """The rows of one thing at one size."""
    place = folder / f"{name}-{times}"
    match name:
        case "corpus":
            return [row | {"what": f"{row['step']}, {20 * times} MB of text"} for row in corpus.run(place, times)]
        case "round":
            row = rounds.run(place)
            return [row | {"what": f"a round over {row['records']:,} records"}]
        case "grid":
            row = grid.run(place, 2 * times)
            return [row | {"what": f"a grid of {row['cells']} cells"}]
        case "report":
            row = report.run(place, 5 * times)
            return [row | {"what": f"a report over {row['models']} models"}]


def line(row: dict) -> str:
    """A row of the table."""
    shown = {"quarters", "processes", "files", "left"} & row.keys()
    more = ", ".join(f"{key} {row[key]}" for key in sorted(shown))
    return f"{row['what']:<40} {row['seconds']:>8.1f} s {row['memory']:>8.0f} MB {row['disk']:>8.1f} MB on disk  {more}"


def about() -> dict[str, str]:
    """When, of which commit and where a row was measured."""
    return {
        "date": date.today().isoformat(),
        "commit": commit("benchmarks/load/results.json"),
        "machine": machine("cpu"),
    }


def markdown(known: dict[str, dict]) -> str:
    """The rows of results.json as a table, small sizes first, under when and where they were measured."""
    when = sorted({f"{row['machine']}: {row['date']} ({row['commit']})" for row in known.values()})
    lines = [f"Measured on {'; '.join(when)}.", "", "| what | seconds | memory, MB | disk, MB |", "|---|---|---|---|"]
    for what, row in known.items():
        lines.append(f"| {what} | {row['seconds']:,.1f} | {row['memory']:,.0f} | {row['disk']:,.0f} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
