"""`python -m benchmarks [NAME …]`: every benchmark in turn, one table, and benchmarks/results.json.

Each row is a ratio of two things measured in turn. Machines are noisy: read the ratios, not the rates.
`python -m benchmarks --table` prints the results as they stand in README.md.
"""

import argparse
import json
import platform
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import torch

from benchmarks.measure import Row, peak
from minimoe.memory import keep_freed_memory
from minimoe.runtime import cores

NAMES = ["records", "loader", "step", "rounds", "family", "experts", "memory", "grid", "startup"]
RESULTS = Path(__file__).with_name("results.json")


def main() -> None:
    """Run the benchmarks named on the command line, or all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", choices=[[], *NAMES], default=[], metavar="NAME", help=", ".join(NAMES))
    parser.add_argument("--table", action="store_true", help="print the results that are there, for README.md")
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
    known["machine"] = machine()
    print(known["machine"], flush=True)
    rows = import_module(f"benchmarks.{names[0]}").run()
    known["rows"][names[0]] = [row.values() for row in rows]
    RESULTS.write_text(json.dumps(known, indent=1) + "\n")
    print("\n".join(line(row) for row in rows), flush=True)


def line(row: Row) -> str:
    """A row of the table."""
    goal = "" if row.goal is None else f"  (goal {row.goal:.2f})"
    return (
        f"{row.what:<58} {row.ours:>10,.1f} {row.unit:<12} {row.baseline:>10,.1f} {row.against:<28}"
        f" ratio {row.ratio:.2f}{goal}"
    )


def markdown(results: dict) -> str:
    """The rows of results.json as a table."""
    lines = [f"Measured on: {results['machine']}.", "", "| what | | against | ratio | goal |", "|---|---|---|---|---|"]
    for name in NAMES:
        for values in results["rows"].get(name, []):
            ratio, goal = values.pop("ratio"), values["goal"]
            row = Row(**values)
            rates = f"{_number(row.ours)} {row.unit} | {row.against}, {_number(row.baseline)}"
            lines.append(f"| {row.what} | {rates} | {ratio:.2f} | {'' if goal is None else f'{goal:.2f}'} |")
    return "\n".join(lines)


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}"


def machine() -> str:
    """The machine in a line."""
    about = Path("/proc/cpuinfo")
    lines = about.read_text().splitlines() if about.exists() else []
    cpu = next((line.split(":")[1].strip() for line in lines if "model name" in line), platform.machine())
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else "no GPU"
    kinds = {"fp32": torch.float32, "bf16": torch.bfloat16}
    peaks = ", ".join(f"{peak(kind) / 1e9:.0f} GFLOP/s {name}" for name, kind in kinds.items())
    return f"{cpu}, {cores()} cores, {gpu}; matrix products {peaks}; torch {torch.__version__}"


if __name__ == "__main__":
    main()
