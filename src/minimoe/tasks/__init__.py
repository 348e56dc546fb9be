"""GLUE and CoNLL-2003: what the tasks are, and their files in one normal form."""
