"""Sparsify a teacher: measure the importance of its parts and sort them by it (MiniDisc, arXiv 2205.14570)."""
