"""Distillation: taps, relations, objectives and the round loop."""
