"""Checkpoints as the authors of MiniMoE released them, converted to the form of our own students."""
