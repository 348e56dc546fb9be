"""The machine and its processes: errors, signals, launchers, files."""
