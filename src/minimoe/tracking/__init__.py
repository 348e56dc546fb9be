"""Tracking: runs in MLflow, or nothing. Training code never asks which.

MLflow owns curves and comparison; final numbers live in the files that stages write.
"""

from minimoe.tracking.registry import Registered
from minimoe.tracking.runs import run
from minimoe.tracking.store import UnreachableError, address, connect
from minimoe.tracking.trackers import MlflowTracker, NoTracker

__all__ = ["MlflowTracker", "NoTracker", "Registered", "UnreachableError", "address", "connect", "run"]
