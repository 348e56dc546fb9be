"""Estimate what a run will take before it is started: `minimoe plan`.

Sizes come from what is on disk where it is up to date, otherwise from params.yaml and the ratios of `constants`. Times
come from a few seconds of the real training on made text (`trial`), extrapolated by the operations of each model
(`operations`). Every row of the table says which of its numbers are counted, measured, given or guessed.
"""
