"""What a run will take, before it is started: `python -m minimoe plan`.

Sizes come from what is on disk where it is up to date, else from params.yaml and the ratios of `constants`. Times come
from a few seconds of the real thing on made text (`trial`), extrapolated through floating-point operations (`flops`).
Every row of the table says which of its numbers are counted, measured, given or guessed.
"""
