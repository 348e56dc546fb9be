"""Resample examples and seeds: intervals of differences between models, and tests of many of them at once."""
