"""Faults, injected into a tiny pipeline of its own: what survives them, and whether results stay the same."""
