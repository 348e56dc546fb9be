"""What is measured, and against what: see `__main__`."""
