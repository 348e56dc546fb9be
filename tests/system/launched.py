"""A stage that does what it is told: `launched.py LAUNCHER DEED`; and a launcher: `launched.py --ranks -m …`."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from minimoe.system.errors import UserError, exit_cleanly
from minimoe.system.launch import launch


def ranks(command: list[str]) -> int:
    """As torchrun: two processes; when one fails, the others are ended."""
    running = []
    for rank in "01":
        running.append(subprocess.Popen(command, env=os.environ | {"RANK": rank, "LOCAL_RANK": rank}))
    while all(process.poll() is None for process in running):
        time.sleep(0.02)
    if any(process.poll() for process in running):
        print("a page of the launcher's own", file=sys.stderr)
        for process in running:
            process.kill()
    return max(abs(process.wait()) for process in running)


def main() -> None:
    """Do the deed in both processes, or in the second one, while the first waits."""
    launcher, deed = sys.argv[1:]
    launch(launcher, "launched")
    rank = os.environ.get("RANK", "alone")
    Path(f"{deed}.{rank}").write_text(str(os.getpid()))
    if deed == "all refuse":
        raise UserError("params.yaml: seed: expected a better one")
    if deed == "one refuses" and rank == "1":
        raise UserError("data/records: not on this machine")
    if deed == "one is killed" and rank == "1":
        os.kill(os.getpid(), signal.SIGKILL)
    if deed not in ("well", "all refuse"):
        time.sleep(60)


if __name__ == "__main__":
    if sys.argv[1] == "--ranks":
        sys.exit(ranks([sys.executable, *sys.argv[2:]]))
    exit_cleanly(main)
