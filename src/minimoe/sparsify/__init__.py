"""What matters least in a teacher: its importances, and students that leave it out (MiniDisc, arXiv 2205.14570)."""

from minimoe.sparsify.folder import Sparsified

__all__ = ["Sparsified"]
