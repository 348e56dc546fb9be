"""`python -m faults [NAME …]`: inject faults into a tiny pipeline, print the table, write work/faults.json.

Every fault is real: processes are killed, a file system is full, bytes on disk are changed. It counts when it was seen
to strike; one that was not is tried again at another moment, some times, and then the suite fails. Afterwards
`dvc repro` runs again, and every output is compared with that of a run without faults. Goal: all survived, all
identical, nothing lost. Where file systems may be mounted, this runs in a mount namespace of its own, which nobody else
sees.
"""

import argparse
import signal
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

from faults import company, damage, disk, kills, mounts, numbers, servers
from faults.trial import Reference, Row
from faults.warm import warm
from minimoe.system.files import write_json

SEED = 776
RESULTS = Path("work/faults.json")
WIDTH = 60  # of the table's first column
FAULTS = {  # by name: what injects them, how many of a kind, and how many with --short
    "kills": (kills.over_stages, 40, 6),
    "grid": (kills.grid, 2, 0),
    "signals": (kills.signals, 4, 2),
    "full": (disk.full, 7, 2),
    "locked": (disk.locked, 7, 1),
    "seen": (damage.seen, 7, 1),
    "unseen": (damage.unseen, 3, 0),
    "checkpoints": (damage.checkpoints, 2, 1),
    "lock": (damage.lock, 3, 0),
    "two": (company.two, 4, 1),
    "orphan": (company.orphan, 6, 1),
    "worker": (company.worker, 3, 1),
    "mlflow": (servers.mlflow, 3, 0),
    "nan": (numbers.nan, 2, 1),
}


def main() -> None:
    """Inject the faults named on the command line, or all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", choices=[[], *FAULTS], default=[], metavar="NAME")
    parser.add_argument("--short", action="store_true", help="few of each")
    parser.add_argument("--folder", type=Path, help="where to work; keeps the run without faults for the next time")
    parser.add_argument("--seed", type=int, default=SEED, help="of moments and places")
    options = parser.parse_args()
    signal.signal(signal.SIGINT, signal.default_int_handler)  # runs in the background may have Ctrl-C ignored
    mounts.enter("faults")
    warm()
    with tempfile.TemporaryDirectory(prefix="faults-") as temporary:
        reference = Reference((options.folder or Path(temporary)).resolve(), options.seed)
        rows = []
        print(f"{'fault':<{WIDTH}}{'struck':>10}{'missed':>8}{'survived':>10}{'identical':>11}{'lost':>7}", flush=True)
        for name in options.names or FAULTS:
            inject, *counts = FAULTS[name]
            if count := counts[options.short]:
                rows += (new := inject(reference, count))
                print("\n".join(line(row) for row in new), flush=True)
    write_json(RESULTS, {"seed": options.seed, "short": options.short, "rows": [asdict(row) for row in rows]})
    sys.exit(not all(row.good for row in rows))


def line(row: Row) -> str:
    """A row of the table."""
    counts = f"{row.injected:>10}{row.missed:>8}{row.survived:>10}{row.identical:>11}{row.lost or 'none':>7}"
    remarks = "".join(f"\n    {remark}" for remark in row.remarks)
    return f"{row.fault:<{WIDTH}}{counts}  {'' if row.good else 'NOT GOOD'}{remarks}"


if __name__ == "__main__":
    main()
