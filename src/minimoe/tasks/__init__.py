"""GLUE, CoNLL-2003 and CLUE: what the tasks are, and their files in one normal form."""
