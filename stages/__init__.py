"""The stages of dvc.yaml, each run as `python -m stages.NAME`."""

import gc
import sys

if sys.argv[0] == "-m":  # so Python says until it has found the stage's file
    gc.disable()  # while the stage imports, as in runtime.importing; exit_cleanly ends it
