"""A model and a task → scores on the task's dev sets."""
