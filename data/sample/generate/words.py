"""The words, sentences and wiki forms of the sample, as the YAML files beside this one hold them."""

import re
from collections.abc import Callable
from pathlib import Path

from ruamel.yaml import YAML


def _read(name: str, parse: Callable) -> dict:
    """The file's texts, each parsed."""

    def parsed(value):
        return {key: parsed(own) for key, own in value.items()} if isinstance(value, dict) else parse(value)

    return parsed(YAML(typ="safe").load(Path(__file__).with_name(f"{name}.yaml")))


def _items(text: str) -> list:
    """`a, b` as ["a", "b"]; `a, b | c` as [["a", "b"], ["c"]]."""
    lists = [part.split(", ") for part in text.split(" | ")]
    return lists if len(lists) > 1 else lists[0]


WORDS = _read("words", _items)
SENTENCES = _read("sentences", lambda text: re.split(r"(?<=[.?!])\s+", text))
WIKI = _read("wiki", lambda value: value)
