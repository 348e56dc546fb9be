"""`python -m benchmarks [NAME …]`: every benchmark in turn, one table, and benchmarks/results.json.

Each row is a ratio of two things measured in turn. Machines are noisy: read the ratios, not the rates. Rows of other
machines stay in the file.
`python -m benchmarks --table` prints the results as they stand in docs/performance.md.
"""

import argparse
import json
import subprocess
import sys
from dataclasses import fields
from datetime import date
from importlib import import_module
from pathlib import Path

import torch

from benchmarks.measure import Row
from minimoe.system.git import commit
from minimoe.system.machine import machine
from minimoe.system.memory import keep_freed_memory

NAMES = [
    "records", "loader", "kernels", "step", "rounds", "supernet", "experts", "memory", "grid", "startup", "bootstrap",
]  # fmt: skip
RESULTS = Path(__file__).with_name("results.json")
WRITTEN = "benchmarks/results.json"  # a change of it alone is none of the code


def main() -> None:
    """Run the benchmarks named on the command line, or all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", choices=[[], *NAMES], default=[], metavar="NAME", help=", ".join(NAMES))
    parser.add_argument("--table", action="store_true", help="print the table of docs/performance.md")
    arguments = parser.parse_args()
    if arguments.table:
        print(markdown(json.loads(RESULTS.read_text())))
        return
    names = arguments.names or NAMES
    if len(names) > 1:  # each in a process of its own, which finds the memory as the others did
        for name in names:
            subprocess.run([sys.executable, "-m", "benchmarks", name], check=True)
        return
    keep_freed_memory()
    known = json.loads(RESULTS.read_text()) if RESULTS.exists() else {"rows": {}}
    about = {
        "date": date.today().isoformat(),
        "commit": commit(WRITTEN),
        "machine": machine("cuda" if torch.cuda.is_available() else "cpu"),
    }
    print(about["machine"], flush=True)
    rows = import_module(f"benchmarks.{names[0]}").run()
    others = [row for row in known["rows"].get(names[0], []) if row["machine"] != about["machine"]]
    known["rows"][names[0]] = [row.values() | about for row in rows] + others
    RESULTS.write_text(json.dumps(known, indent=1) + "\n")
    print("\n".join(line(row) for row in rows), flush=True)


def line(row: Row) -> str:
    """A row of the table."""
    goal = f"  (goal {_goal(row)})" if row.goal else ""
    return (
        f"{row.what:<58} {row.ours:>10,.1f} {row.unit:<12} {row.baseline:>10,.1f} {row.against:<28}"
        f" ratio {row.ratio:.2f}{goal}"
    )


def markdown(results: dict) -> str:
    """The rows of results.json, a table for each machine: rates of two machines are not compared."""
    rows = [values for name in NAMES for values in results["rows"].get(name, [])]
    lines = []
    for name in dict.fromkeys(values["machine"] for values in rows):
        own = [values for values in rows if values["machine"] == name]
        when = sorted({f"{values['date']} ({values['commit']})" for values in own})
        lines += [f"Measured on {name}: {', '.join(when)}.", ""]
        lines += ["| what | | against | ratio | goal |", "|---|---|---|---|---|"]
        for values in own:
            row = Row(**{field.name: values[field.name] for field in fields(Row)})
            rates = f"{_number(row.ours)} {row.unit} | {row.against}, {_number(row.baseline)}"
            lines.append(f"| {row.what} | {rates} | {row.ratio:.2f} | {_goal(row)} |")
        lines.append("")
    return "\n".join(lines[:-1])


def _goal(row: Row) -> str:
    """The goal, and whether it is missed."""
    return "" if row.goal is None else f"{row.goal:.2f}{', missed' if row.missed else ''}"


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}"


if __name__ == "__main__":
    main()
