"""What the machine does meanwhile: CPU, memory, disk, network and, where NVML answers, GPUs.

MLflow's own monitor is a thread that sends by itself, and ends with the first server that does not answer. Its parts
are asked here whenever a run has values of its own, and what they say is sent with those, or waits with them.
"""

import sys
import time

SECONDS = 10.0  # between two samples


class MachineMetrics:
    """Samples of the machine, named as MLflow's pages know them."""

    def __init__(self) -> None:
        from mlflow.system_metrics.metrics.cpu_monitor import CPUMonitor
        from mlflow.system_metrics.metrics.disk_monitor import DiskMonitor
        from mlflow.system_metrics.metrics.gpu_monitor import GPUMonitor
        from mlflow.system_metrics.metrics.network_monitor import NetworkMonitor

        self._sampled = -SECONDS
        kinds = (CPUMonitor, DiskMonitor, NetworkMonitor, GPUMonitor)
        self._monitors = [monitor for kind in kinds if (monitor := _working(kind))]

    def sample(self) -> dict[str, float]:
        """What is measured now; nothing if the last time was a moment ago."""
        if time.monotonic() - self._sampled < SECONDS:
            return {}
        found = {}
        for monitor in self._monitors:
            monitor.collect_metrics()
            found |= {f"system/{key}": value for key, value in monitor.aggregate_metrics().items()}
            monitor.clear_metrics()
        self._sampled = time.monotonic()
        return found


def _working(kind: type):
    """One of MLflow's monitors, if it works here; no GPU, no network card or no right to look is no error."""
    try:
        monitor = kind()
        monitor.collect_metrics()
        monitor.clear_metrics()
        return monitor
    except Exception as error:  # of psutil, NVML and MLflow
        if kind.__name__ != "GPUMonitor":  # most machines have none
            print(f"MLflow: no metrics of {kind.__name__}: {error}", file=sys.stderr)
        return None
