"""GLUE, CoNLL-2003, CLUE and tasks of the user's own: what the tasks are, and their files in one normal form."""
