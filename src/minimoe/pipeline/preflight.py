"""Check device, launcher and MLflow before the first stage, which may be hours before the stage that needs them.

The device and the launcher must be there. MLflow need not: work goes on without it, and its values wait.
"""

import os
import sys

from minimoe import tracking
from minimoe.system import launch, machine
from minimoe.system.errors import UserError

CHECKED = "MINIMOE_CHECKED"  # the variable that tells this process's stages that it has looked


def preflight(settings, whole: bool = True) -> None:
    """Say what is missing for `settings`, the params' `runtime`.

    Args:
        whole: the run is the whole pipeline; part of it, such as the corpus, may need no device.

    Raises `UserError` where the whole pipeline could not end.
    """
    if CHECKED in os.environ:
        return
    os.environ[CHECKED] = "1"
    try:
        if settings.device == "cuda":
            machine.device(settings.device)
        for key in ("launcher", "cell_launcher"):
            if (launcher := getattr(settings, key)) != "python":
                launch.arguments(launcher, f"runtime.{key}")
    except UserError as error:
        if whole:
            raise
        print(f"warning: {error}; stages that train will end on it", file=sys.stderr)
    if settings.tracking.enabled:
        try:
            tracking.connect(settings.tracking)
        except tracking.UnreachableError as error:
            print(f"warning: {error}; work goes on, values wait in work/tracking", file=sys.stderr)
