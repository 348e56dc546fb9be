"""Load a model's tokenizer for a task, and check that it and the model can hold the task's examples."""

from pathlib import Path

from tokenizers.decoders import ByteLevel
from tokenizers.normalizers import Prepend, Sequence

from minimoe.hub import loading
from minimoe.models.shapes import positions
from minimoe.system.errors import UserError
from minimoe.tasks.task import Task


def load_tokenizer(folder: str | Path, task: Task, max_length: int):
    """The model's tokenizer; for tagging, byte-level ones must put a space before every word."""
    if not Path(folder).is_dir():
        raise UserError(f"{folder}: no such folder; run the stage that makes this model")
    # without this check transformers makes up a tokenizer that knows the special tokens and nothing else
    if not Path(folder, "tokenizer.json").is_file():
        raise UserError(f"{folder}: holds no tokenizer.json; a model is saved with its tokenizer")
    spaced = {"add_prefix_space": True} if task.kind == "tagging" else {}
    tokenizer = loading.load_tokenizer(folder, **spaced)
    if spaced:
        _space_words(tokenizer.backend_tokenizer)
    longest = positions(loading.load_config(folder))
    longest = min(longest, tokenizer.model_max_length)
    if longest < max_length:
        raise UserError(f"finetune.max_length: expected at most {longest}, as {folder} has; got {max_length}")
    return tokenizer


def _space_words(backend) -> None:
    """Have a byte-level tokenizer of no class of its own, which knows no such setting, put a space before a word."""
    word, spaced = (backend.encode(text, add_special_tokens=False).ids for text in ("a", " a"))
    if isinstance(backend.decoder, ByteLevel) and word != spaced:
        others = [backend.normalizer] if backend.normalizer else []
        backend.normalizer = Sequence([*others, Prepend(" ")])
