"""Distill encoders: a Wikipedia dump and a teacher in, small students and their tables out."""
