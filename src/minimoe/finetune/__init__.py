"""Finetune a model on a task, and score it on the task's dev sets."""
