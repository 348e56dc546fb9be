"""Hugging Face folders: downloaded and verified, with the commit they came from; loaded without running their code."""
