"""Publish a student: its card, and its upload to the Hugging Face hub."""
