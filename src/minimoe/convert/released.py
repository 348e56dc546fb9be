"""Read a released checkpoint: config.json, one file of weights, a tokenizer.

Only numbers are read. A pickle goes through PyTorch's `weights_only` reader, which runs no code of its own, and
what it holds beside tensors is an error.
"""

import json
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor
from transformers import BertModel, MegatronBertModel, PreTrainedModel, RobertaModel

from minimoe.hub.loading import read_weights
from minimoe.system.errors import UserError

BACKBONES: dict[str, type[PreTrainedModel]] = {
    "bert": BertModel,
    "roberta": RobertaModel,
    "megatron-bert": MegatronBertModel,
}
WEIGHTS = ("model.safetensors", "pytorch_model.bin")
BUFFERS = {"embeddings.position_ids", "embeddings.token_type_ids"}  # counted up anew by every model


@dataclass(frozen=True)
class Released:
    """What a released folder holds."""

    folder: Path
    config: dict  # config.json
    weights: dict[str, Tensor]  # under their published names

    @property
    def backbone(self) -> str:
        """The config's `model_type`, which for every kind of student is that of its teacher."""
        return str(self.config.get("model_type"))

    @property
    def prefix(self) -> str:
        """What the names of an encoder's weights begin with."""
        known = self.backbone in BACKBONES
        return f"{BACKBONES[self.backbone].base_model_prefix}." if known else ""

    def encoder(self) -> dict[str, Tensor]:
        """The encoder's weights, under their names within it."""
        start = self.prefix
        inside = {name.removeprefix(start): w for name, w in self.weights.items() if name.startswith(start)}
        return {name: weight for name, weight in inside.items() if name not in BUFFERS}

    def error(self, message: str) -> UserError:
        """An error about this checkpoint."""
        return UserError(f"{self.folder}: {message}")


def read(folder: str | Path) -> Released:
    """Read config and weights of `folder`.

    Raises `UserError` where the folder or a file is missing, or a file is not what its name says.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise UserError(f"{folder}: no such folder; expected a released checkpoint, downloaded")
    return Released(folder, _read_config(folder), _read_weights(folder))


def _read_config(folder: Path) -> dict:
    path = folder / "config.json"
    if not path.is_file():
        raise UserError(f"{folder}: holds no config.json; expected a released checkpoint")
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise UserError(f"{path}: expected JSON: {error}") from None
    if not isinstance(config, dict):
        raise UserError(f"{path}: expected the keys and values of a config, got a {type(config).__name__}")
    return config


def _read_weights(folder: Path) -> dict[str, Tensor]:
    path = next((folder / name for name in WEIGHTS if (folder / name).is_file()), None)
    if path is None:
        raise UserError(f"{folder}: holds no weights; expected {' or '.join(WEIGHTS)}")
    return read_weights(path)
