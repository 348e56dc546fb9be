"""Sentence embeddings: an encoder's token states pooled to one vector, in the folder layout of sentence-transformers.

The layout lists modules after the encoder in modules.json: pooling, dense layers, a normalisation. A folder without
that file is pooled by the mean, unnormalised, as sentence-transformers does. Prompts are not used.

    config.json, weights, tokenizer      the encoder, which AutoModel loads as from any other folder
    modules.json                         the modules that follow it, each with a folder: 1_Pooling, 2_Dense, 3_Normalize
    sentence_bert_config.json            the longest input in tokens
    config_sentence_transformers.json    the similarity, cosine
"""

import json
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from minimoe.hub.loading import AGAIN, read_weights
from minimoe.system.errors import UserError, readable
from minimoe.system.files import write_json

MODULES, LENGTH, SETTINGS = "modules.json", "sentence_bert_config.json", "config_sentence_transformers.json"
FILES = (MODULES, LENGTH, "*_*/config.json", "*_Dense/model.safetensors", "*_Dense/pytorch_model.bin")
MODES = {  # ways of pooling, and the key that says so in files of all versions; several are concatenated in this order
    "cls": "pooling_mode_cls_token",
    "max": "pooling_mode_max_tokens",
    "mean": "pooling_mode_mean_tokens",
    "mean_sqrt_len_tokens": "pooling_mode_mean_sqrt_len_tokens",
}
ACTIVATIONS = {"Identity": nn.Identity, "Tanh": nn.Tanh, "ReLU": nn.ReLU, "GELU": nn.GELU}
OF_MODELS = "sentence_transformers.models."  # the names that every version of the library knows


class SentenceHead(nn.Module):
    """Pools an encoder's last hidden states to an embedding of each sequence.

    Args:
        width: D of the hidden states.
        modes: of `MODES`; of several the results stand side by side.
        normalize: whether embeddings are divided by their length.
        length: the longest input in tokens; None: what the encoder takes.

    Attributes:
        dense: linear layers after the pooling, each followed by its activation.
    """

    def __init__(
        self, width: int, modes: Sequence[str] = ("mean",), *, normalize: bool = False, length: int | None = None
    ):
        super().__init__()
        self.width, self.modes, self.normalize, self.length = width, tuple(modes), normalize, length
        self.dense = nn.Sequential()

    @property
    def size(self) -> int:
        """Dimensions of an embedding."""
        linear = [layer for layer in self.dense if isinstance(layer, nn.Linear)]
        return linear[-1].out_features if linear else self.width * len(self.modes)

    def forward(self, hidden: Tensor, mask: Tensor) -> Tensor:
        """Hidden states [B, T, D] and a mask, true at real tokens [B, T] → embeddings [B, size], in at least fp32."""
        hidden = hidden.to(torch.promote_types(hidden.dtype, torch.float32))
        pooled = torch.cat([_pool(hidden, mask, mode) for mode in self.modes], dim=-1)
        device = "cpu" if hidden.is_meta else hidden.device.type  # a meta device has no autocast
        with torch.autocast(device, enabled=False):
            embeddings = self.dense(pooled)
        return nn.functional.normalize(embeddings, dim=-1) if self.normalize else embeddings


def _pool(hidden: Tensor, mask: Tensor, mode: str) -> Tensor:
    if mode == "cls":
        return hidden[:, 0]
    if mode == "max":
        return hidden.masked_fill(~mask[..., None], -torch.inf).amax(1)
    total, count = hidden.masked_fill(~mask[..., None], 0.0).sum(1), mask.sum(1, keepdim=True)
    return total / (count if mode == "mean" else count.sqrt())


def read_head(folder: str | Path, width: int, remedy: str = AGAIN) -> SentenceHead:
    """The modules after the encoder, `width` wide, that a folder lists; the mean where it lists none.

    Raises:
        UserError: a file that is missing or damaged, or a module that is not known here.
    """
    folder = Path(folder)
    if not (folder / MODULES).is_file():
        return SentenceHead(width)
    head = SentenceHead(width, modes=(), length=_length(folder, remedy))
    for kind, path in _listed(folder, remedy):
        if head.normalize:
            raise UserError(f"{folder / MODULES}: expected nothing after Normalize, got {kind}; {remedy}")
        if kind == "Pooling" and not head.modes:
            head.modes = _modes(path / "config.json", width, remedy)
        elif kind == "Dense" and head.modes:
            head.dense.extend(_dense(path, head.size, remedy))
        elif kind == "Normalize" and head.modes:
            head.normalize = True
        else:
            raise UserError(
                f"{folder / MODULES}: expected Transformer, Pooling, Dense layers and Normalize, in this order; "
                f"got {kind}; {remedy}"
            )
    if not head.modes:
        raise UserError(f"{folder / MODULES}: expected a module Pooling; {remedy}")
    return head.requires_grad_(False)


def write_head(head: SentenceHead, folder: str | Path) -> None:
    """Write the layout's files into an encoder's folder; `read_head` and sentence-transformers read them."""
    folder, listed = Path(folder), [("", "Transformer")]
    pooling = {key: mode in head.modes for mode, key in MODES.items()}
    _write_module(folder, listed, "Pooling", {"word_embedding_dimension": head.width} | pooling)
    for linear, activation in zip(head.dense[::2], head.dense[1::2], strict=True):
        kind = type(activation)
        sizes = {"in_features": linear.in_features, "out_features": linear.out_features}
        about = {"bias": linear.bias is not None, "activation_function": f"{kind.__module__}.{kind.__name__}"}
        path = _write_module(folder, listed, "Dense", sizes | about)
        weights = {f"linear.{name}": weight.detach().cpu() for name, weight in linear.named_parameters()}
        save_file(weights, path / "model.safetensors", metadata={"format": "pt"})
    if head.normalize:
        _write_module(folder, listed, "Normalize", {})
    modules = [
        {"idx": number, "name": str(number), "path": path, "type": OF_MODELS + kind}
        for number, (path, kind) in enumerate(listed)
    ]
    write_json(folder / MODULES, modules)
    write_json(folder / LENGTH, {"max_seq_length": head.length, "do_lower_case": False})
    write_json(folder / SETTINGS, {"similarity_fn_name": "cosine"})


def _write_module(folder: Path, listed: list[tuple[str, str]], kind: str, settings: dict) -> Path:
    path = folder / f"{len(listed)}_{kind}"
    path.mkdir()
    write_json(path / "config.json", settings)
    listed.append((path.name, kind))
    return path


def _listed(folder: Path, remedy: str) -> list[tuple[str, Path]]:
    """Kind and folder of each module after the encoder, which lies in the folder itself."""
    with readable(f"{folder / MODULES}: cannot be read", f"expected a JSON list of modules; {remedy}"):
        modules = json.loads((folder / MODULES).read_text(encoding="utf-8"))
        found = [(one["type"].rpartition(".")[2], PurePosixPath(one["path"])) for one in modules]
    for kind, path in found:
        if path.is_absolute() or len(path.parts) > 1 or ".." in path.parts:
            raise UserError(f"{folder / MODULES}: expected a folder beside it for {kind}, got {str(path)!r}; {remedy}")
    if not found or found[0] != ("Transformer", PurePosixPath()):
        raise UserError(f"{folder / MODULES}: expected a module Transformer at '' first; {remedy}")
    return [(kind, folder / path) for kind, path in found[1:]]


def _length(folder: Path, remedy: str) -> int | None:
    values = _json(folder / LENGTH, remedy) if (folder / LENGTH).is_file() else {}
    length = values.get("max_seq_length")
    if length is not None and (not isinstance(length, int) or length < 3):
        raise UserError(
            f"{folder / LENGTH}: max_seq_length: expected a number of tokens from 3, got {length}; {remedy}"
        )
    return length


def _modes(path: Path, width: int, remedy: str) -> tuple[str, ...]:
    values = _json(path, remedy)
    size = values.get("word_embedding_dimension", values.get("embedding_dimension"))
    if size != width:
        raise UserError(f"{path}: expected a width of {width}, the encoder's, got {size}; {remedy}")
    chosen = values.get("pooling_mode")  # of newer versions: a mode, or a list of some
    if chosen is None:
        chosen = [mode for mode, key in MODES.items() if values.get(key)]
        chosen += [key for key, value in values.items() if key.startswith("pooling_mode_") and value is True
                   and key not in MODES.values()]  # fmt: skip
    chosen = [chosen] if isinstance(chosen, str) else chosen
    if not chosen or not all(mode in MODES for mode in chosen):
        raise UserError(f"{path}: expected pooling by some of {', '.join(MODES)}; got {chosen}; {remedy}")
    return tuple(chosen)


def _dense(path: Path, width: int, remedy: str) -> list[nn.Module]:
    """A linear layer and its activation."""
    values = _json(path / "config.json", remedy)
    activation = str(values.get("activation_function", "")).rpartition(".")[2]
    if activation not in ACTIVATIONS:
        raise UserError(f"{path / 'config.json'}: expected one of {', '.join(ACTIVATIONS)}; got {activation}; {remedy}")
    file = path / "model.safetensors"
    file = file if file.is_file() else path / "pytorch_model.bin"
    if not file.is_file():
        raise UserError(f"{path}: expected model.safetensors, found none; {remedy}")
    weights = {name.removeprefix("linear."): weight.float() for name, weight in read_weights(file).items()}
    with readable(f"{file}: cannot be loaded", f"expected a linear layer from {width} dimensions; {remedy}"):
        outputs, inputs = weights["weight"].shape
        linear = nn.Linear(inputs, outputs, bias="bias" in weights)
        linear.load_state_dict(weights)
        if inputs != width:
            raise ValueError(f"it has {inputs}")
    return [linear, ACTIVATIONS[activation]()]


def _json(path: Path, remedy: str) -> dict:
    with readable(f"{path}: cannot be read", remedy):
        return dict(json.loads(path.read_text(encoding="utf-8")))
