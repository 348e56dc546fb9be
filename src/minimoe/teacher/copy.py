"""Copy a pretrained encoder, from a folder or from the hub, to the folder models/teacher.

Weights are copied as they are, every head included, and stored as safetensors; of a sentence encoder also how its
states are pooled. Nothing that comes with a
model is run: its own code is never loaded, and pickled weights only through PyTorch's `weights_only` reader.
"""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from huggingface_hub import metadata_load

from minimoe.hub.loading import load_encoder, load_tokenizer, read_weights
from minimoe.hub.snapshot import Snapshot, snapshot
from minimoe.models.sentence import FILES, MODULES, read_head, write_head
from minimoe.system.errors import UserError, readable
from minimoe.system.files import whole_folder, write_json

SAFE = ("model*.safetensors", "model*.safetensors.index.json")
PICKLED = "pytorch_model*.bin"
CARD = "README.md"
NAMES_OF_CODE = {"auto_map", "attn_implementation", "_attn_implementation", "_attn_implementation_internal"}


def copy_teacher(name: str, tokenizer: str | Path, out: str | Path, revision: str | None = None) -> dict[str, str]:
    """Save the encoder of the folder, or with a `revision` of the hub id, `name` with `tokenizer` into `out`.

    Returns the hub's `commit`, and the `license` and `license_name` that the model's card (README.md) says: those of
    these that there are.
    Raises `UserError` where config, weights or tokenizer are missing, do not fit, or are no encoder's.
    """
    folder, commit = _download(name, revision) if revision is not None else (Path(name), None)
    said = {"commit": commit} if commit else {}
    if not (folder / "config.json").is_file():
        raise UserError(f"teacher: {name} holds no config.json; expected a Hugging Face model folder")
    said |= _license(folder / CARD)
    with whole_folder(out) as temporary:
        _copy_config(folder / "config.json", temporary / "config.json")
        _copy_weights(folder, temporary, name)
        for path in sorted(Path(tokenizer).iterdir()):
            shutil.copy(path, temporary)
        config = _check(temporary, name)
        if (folder / MODULES).is_file():
            write_head(read_head(folder, config.hidden_size, "get the model again, or remove the file"), temporary)
    return said


def _license(card: Path) -> dict[str, str]:
    """What a model's card says of its license; nothing where there is no card, or none that says something."""
    if not card.is_file():
        return {}
    with readable(f"{card}: cannot be read", "expected a model card; mend its metadata, or remove the file"):
        data = metadata_load(card) or {}
    return {key: data[key] for key in ("license", "license_name") if isinstance(data.get(key), str)}


def _download(name: str, revision: str) -> Snapshot:
    """The hub's model; pickled weights only where there are no others, of the same commit."""
    found = snapshot("model", name, revision, ["config.json", CARD, *SAFE, *FILES], "teacher.hub")
    if _weights(found.folder, SAFE[0]):
        return found
    return snapshot("model", name, found.commit, ["config.json", CARD, PICKLED, *FILES], "teacher.hub")


def _copy_config(source: Path, out: Path) -> None:
    """The config without what names code: of the model's author, and kernels that transformers would fetch."""
    with readable(f"{source}: cannot be read", "expected JSON; get the model again"):
        config = json.loads(source.read_text(encoding="utf-8"))
        kept = {key: value for key, value in config.items() if key not in NAMES_OF_CODE}
    if kept == config:
        shutil.copy(source, out)
    else:
        write_json(out, kept)


def _copy_index(path: Path, out: Path) -> None:
    """The index of weights in several files, all of which lie beside it."""
    with readable(f"{path}: cannot be read", "expected the JSON of a weight index; get the model again"):
        files = set(json.loads(path.read_text(encoding="utf-8"))["weight_map"].values())
        outside = sorted(file for file in files if Path(file).name != file)
    if outside:
        raise UserError(f"{path}: expected files of its own folder, got {outside[0]!r}; get the model elsewhere")
    shutil.copy(path, out)


def _weights(folder: Path, pattern: str) -> list[Path]:
    return sorted(folder.glob(pattern))


def _copy_weights(folder: Path, out: Path, name: str) -> None:
    if _weights(folder, SAFE[0]):
        for path in _weights(folder, SAFE[1]):
            _copy_index(path, out)
        for path in _weights(folder, SAFE[0]):
            shutil.copy(path, out)
        return
    from safetensors.torch import save_file

    weights = {}
    for path in _weights(folder, PICKLED):
        weights |= read_weights(path)
    if not weights:
        raise UserError(f"{name}: holds no weights; expected model.safetensors or pytorch_model.bin")
    # clones, because safetensors refuses tensors that share memory, as tied embeddings do
    tensors = {key: value.clone().contiguous() for key, value in weights.items()}
    save_file(tensors, out / "model.safetensors", metadata={"format": "pt"})


def _check(folder: Path, name: str):
    """The copy's config, where it loads as an encoder, whole, of numbers, and has an embedding for every token."""
    import torch
    from transformers import AutoModel

    with _named(folder, name):
        model = load_encoder(AutoModel, folder, "expected an encoder's folder, as transformers saves it")
        tokens = len(load_tokenizer(folder))
    config = model.config
    if config.is_encoder_decoder or getattr(config, "is_decoder", False):
        raise UserError(f"{name}: expected an encoder, got a {config.model_type} decoder")
    wrong = [key for key, weight in model.named_parameters() if not weight.isfinite().all()]
    if wrong:
        raise UserError(
            f"{name}: expected finite weights, but {wrong[0]} has NaN or infinite ones; get the model again"
        )
    with torch.no_grad():
        made = model.eval()(torch.arange(min(8, config.vocab_size))[None]).last_hidden_state
    if not made.isfinite().all():
        raise UserError(f"{name}: its output has NaN or infinite values; get the model again, or check its config")
    if tokens > config.vocab_size:
        raise UserError(f"{name}: its tokenizer has {tokens} tokens, its embeddings {config.vocab_size}")
    return config


@contextmanager
def _named(folder: Path, name: str) -> Iterator[None]:
    """Errors name what the user named, not the copy."""
    try:
        yield
    except UserError as error:
        raise UserError(str(error).replace(str(folder), name)) from None
