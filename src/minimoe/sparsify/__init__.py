"""Measure what matters least in a teacher, and reorder it by that (MiniDisc, arXiv 2205.14570)."""
