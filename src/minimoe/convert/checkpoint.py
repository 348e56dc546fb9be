"""`python -m minimoe convert SRC DST`: convert a released checkpoint to folders that load anywhere.

Each model becomes an ordinary Hugging Face folder: safetensors, a fast tokenizer, and where stock BERT does not do
the code to load it. Nothing is written before all of the checkpoint is read and found whole.
"""

from pathlib import Path

from transformers import AutoTokenizer, PreTrainedTokenizerBase
from transformers.utils import logging

from minimoe.convert.kinds import Kind, kind_of
from minimoe.convert.released import Released, read
from minimoe.system.errors import UserError
from minimoe.system.files import whole_folder, write_json

TOKENIZERS = (("tokenizer.json",), ("vocab.txt",), ("vocab.json", "merges.txt"))
SPECIAL = ("pad", "unk", "cls", "sep", "mask")


def convert(source: str | Path, out: str | Path) -> None:
    """Convert the released checkpoint in folder `source` to `out`, with a line for each model written.

    Raises `UserError` where `source` is no released checkpoint of a known kind, or not whole, and where `out` exists
    and is not empty.
    """
    out = Path(out)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UserError(f"{out}: exists; expected a new or empty folder to write to")
    logging.disable_progress_bar()
    released = read(source)
    kind = kind_of(released)
    kept = _kept(released, kind)
    models = kind.encoders(released)
    tokenizer = _tokenizer(released)
    try:
        with whole_folder(out) as temporary:
            for name, model in models.items():
                model.save_pretrained(temporary / name)
                tokenizer.save_pretrained(temporary / name)
            for name, value in kept.items():
                write_json(temporary / f"{name}.json", value)
    except OSError as error:
        raise UserError(f"{out}: cannot be written: {error.strerror or error}") from None
    for name, model in models.items():
        left_out = f"; left out: {kind.left_out}" if kind.left_out else ""
        print(f"{out / name}: {kind.name}, {type(model).__name__}, {model.num_parameters():,} parameters{left_out}")


def _kept(released: Released, kind: Kind) -> dict[str, object]:
    for key in kind.kept:
        if not isinstance(released.config.get(key), dict):
            raise released.error(
                f"config.json: {key}: expected that of a {kind.name}, got {released.config.get(key)!r}"
            )
    return {key: released.config[key] for key in kind.kept}


def _tokenizer(released: Released) -> PreTrainedTokenizerBase:
    """The fast form of the tokenizer in the folder."""
    folder = released.folder
    # without this check transformers makes up a tokenizer that knows the special tokens and nothing else
    if not any(all((folder / file).is_file() for file in files) for files in TOKENIZERS):
        forms = ", or ".join(" and ".join(files) for files in TOKENIZERS)
        raise released.error(f"holds no tokenizer; expected {forms}")
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False, local_files_only=True)
    except Exception as error:  # a damaged file can raise anything
        raise released.error(f"its tokenizer cannot be loaded: {' '.join(str(error).split())}") from None
    missing = [kind for kind in SPECIAL if getattr(tokenizer, f"{kind}_token_id") is None]
    if missing:
        raise released.error(f"its tokenizer has no {', '.join(missing)} token")
    if len(tokenizer) > released.config["vocab_size"]:
        raise released.error(
            f"its tokenizer has {len(tokenizer)} tokens, its embeddings {released.config['vocab_size']}"
        )
    return tokenizer
