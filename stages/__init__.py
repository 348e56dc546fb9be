"""The stages of dvc.yaml, each run as `python -m stages.NAME`."""

import gc
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from minimoe.system.errors import FAILURE, exit_cleanly
from minimoe.system.interrupts import end_with_starter

ALONE = not {FAILURE, "LOCAL_RANK"} & os.environ.keys()  # whether this is not one of several that do a stage's work

if sys.argv[0] == "-m":  # so Python says until it has found the stage's file
    gc.disable()  # while the stage imports, as in runtime.importing; exit_cleanly ends it
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # meanwhile, nothing is there to be saved; `run` ends it
    if ALONE and "DVC_STAGE" in os.environ:  # DVC cannot tell it to end when DVC is killed
        end_with_starter()


def run(main: Callable[[], None]) -> None:
    """Run a stage's `main` as the only process that makes its outputs, and end cleanly."""
    from minimoe.resume.work import alone

    signal.signal(signal.SIGINT, signal.default_int_handler)

    def work() -> None:
        with alone(" ".join([Path(sys.argv[0]).stem, *sys.argv[1:]])):
            main()

    # of several processes, the one that started them holds the lock, or where there is none, the main one
    exit_cleanly(work if ALONE or (FAILURE not in os.environ and os.environ.get("RANK", "0") == "0") else main)
