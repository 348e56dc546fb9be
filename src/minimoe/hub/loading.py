"""Load model folders: from this machine alone, and without running code in them.

transformers takes a folder that is not there for a model's name on the hub and downloads that, asks whether to run the
code of a folder that has some, makes up a tokenizer of special tokens where there is none, starts weights of another
shape at random, and lets everything through that a damaged file makes its libraries raise. Here each is a `UserError`.
"""

import json
import sys
from pathlib import Path
from typing import NamedTuple

from minimoe.system.errors import UserError, readable


class Interval(NamedTuple):
    """Numbers between two, both included."""

    words: str
    low: float = -sys.float_info.max
    high: float = sys.float_info.max


_SHARE, _SMALL = Interval("a share from 0 to 1", 0, 1), Interval("a small number above 0", 1e-30, 1)
NUMBERS = {"dropout": _SHARE, "dropout_prob": _SHARE, "norm_eps": _SMALL, "router_noise": _SHARE}  # by a key's end
AGAIN = "run the stage that makes it again"
HERE = {"local_files_only": True, "trust_remote_code": False}
ATTENTION = {"attn_implementation": None}  # PyTorch's, and not the one that a config names, which may be fetched


def load_model(auto, folder: str | Path, remedy: str = AGAIN, **settings) -> tuple:
    """`auto.from_pretrained` of the model folder, and the names of the weights that it lacks, sorted.

    Args:
        auto: a class of transformers, such as `AutoModel`.
        remedy: what to do where the folder is missing, damaged or not what its config says.
        settings: what `from_pretrained` takes besides.
    """
    from transformers.utils import logging

    if not Path(folder, "config.json").is_file():
        raise UserError(f"{folder}: expected a Hugging Face model folder, found no config.json; {remedy}")
    logging.disable_progress_bar()
    logging.set_verbosity_error()  # what it would report is an error here
    _check_numbers(folder, remedy)
    with readable(f"{folder}: cannot be loaded as a model", remedy):
        model, info = auto.from_pretrained(
            folder, output_loading_info=True, ignore_mismatched_sizes=True, **HERE, **(ATTENTION | settings)
        )
    for name, found, wanted in sorted(info["mismatched_keys"]):
        raise UserError(f"{folder}: {name}: expected {tuple(wanted)}, as by its config, got {tuple(found)}; {remedy}")
    return model, sorted(info["missing_keys"])


def load_encoder(auto, folder: str | Path, remedy: str = AGAIN, **settings):
    """As `load_model`, of an encoder that must be whole but for its pooler; it has none where the folder has none."""
    model, missing = load_model(auto, folder, remedy, **settings)
    other = [name for name in missing if "pooler" not in name.split(".")]
    if other:
        raise UserError(f"{folder}: {len(other)} weights are missing, {other[0]} among them; {remedy}")
    if missing:
        model.pooler = None  # transformers drew one at random
    return model


def load_config(folder: str | Path, remedy: str = AGAIN):
    """The config of the model folder."""
    from transformers import AutoConfig

    if not Path(folder, "config.json").is_file():
        raise UserError(f"{folder}: expected a Hugging Face model folder, found no config.json; {remedy}")
    _check_numbers(folder, remedy)
    with readable(f"{folder}: its config cannot be read", remedy):
        return AutoConfig.from_pretrained(folder, **HERE)


def _check_numbers(folder: str | Path, remedy: str) -> None:
    """Numbers of a config that transformers lets through, and that no training survives."""
    with readable(f"{folder}: its config cannot be read", remedy):
        config = json.loads(Path(folder, "config.json").read_text(encoding="utf-8"))
    for key, value in config.items() if isinstance(config, dict) else ():
        if not isinstance(value, int | float) or isinstance(value, bool):
            continue
        expected = next(
            (expected for end, expected in NUMBERS.items() if key.endswith(end)), Interval("a finite number")
        )
        if not expected.low <= value <= expected.high:
            raise UserError(f"{folder}: config.json: {key}: expected {expected.words}, got {value}; {remedy}")


def load_tokenizer(folder: str | Path, remedy: str = AGAIN, **settings):
    """The fast tokenizer in the folder, which knows more than special tokens."""
    from transformers import AutoTokenizer

    if not Path(folder).is_dir():
        raise UserError(f"{folder}: no such folder; expected a Hugging Face tokenizer; {remedy}")
    with readable(f"{folder}: its tokenizer cannot be loaded", remedy):
        tokenizer = AutoTokenizer.from_pretrained(folder, **HERE, **settings)
    if not tokenizer.is_fast:
        raise UserError(f"{folder}: expected a fast tokenizer (tokenizer.json), got {type(tokenizer).__name__}")
    if len(tokenizer) <= len(set(tokenizer.all_special_ids)):
        raise UserError(f"{folder}: its tokenizer has only special tokens; {remedy}")
    return tokenizer


def read_weights(path: Path) -> dict:
    """The tensors in a safetensors file or a pickle, by name; of a pickle's code none is run."""
    import torch
    from safetensors.torch import load_file

    try:
        safe = path.suffix == ".safetensors"
        weights = load_file(path) if safe else torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged file can raise anything
        raise UserError(
            f"{path}: cannot be read as weights ({type(error).__name__}); expected tensors alone, whole: "
            "code in a pickle is not run"
        ) from None
    named = isinstance(weights, dict) and all(isinstance(name, str) for name in weights)
    if not named or not all(isinstance(weight, torch.Tensor) for weight in weights.values()):
        raise UserError(f"{path}: expected a tensor under every name, got something else")
    return weights
