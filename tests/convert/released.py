"""Folders as the authors release them, made from the goldens."""

import json
from pathlib import Path

import goldens
import torch
from torch import Tensor

MINIMOE = ["moebert_minilm_1_1E", "moebert_minilm_1_4E", "moebert_minilm_2_4E"]
MINILM, ROBERTA, TINYBERT = "bert_minilm_r12_student", "roberta_minilm_r12_student", "bert_tinybert_h48_student"
SPARSE_TEACHER, SPARSE, ONCE_FOR_ALL = "sparsebert_mlm_h48", "sparsebert_minilm_h48_90S", "ofabert_minilm"
NAMES = [MINILM, ROBERTA, TINYBERT, *MINIMOE, SPARSE_TEACHER, SPARSE, ONCE_FOR_ALL]

BERT = {"model_type": "bert", "type_vocab_size": 2, "pad_token_id": 0, "layer_norm_eps": 1e-12, "sparsity": "0"}
# of old transformers, which wrote more than encoders need
OLD = {"gradient_checkpointing": False, "position_embedding_type": "absolute", "transformers_version": "4.30.2"}
SPECIAL = {
    "pad_token": "[PAD]",
    "unk_token": "[UNK]",
    "cls_token": "[CLS]",
    "sep_token": "[SEP]",
    "mask_token": "[MASK]",
}
WORDS = ["hello", "world", "##s", "中", "国"]


def config(name: str) -> dict:
    values = BERT | OLD | goldens.config(name)
    if name == ROBERTA:
        values["model_type"] = "roberta"
    if name == SPARSE_TEACHER:
        values["sparsity_map"] = json.loads((goldens.FOLDER / name / "sparsity_map.json").read_text())
    return values


def weights(name: str, dtype: torch.dtype = torch.float32) -> dict[str, Tensor]:
    """Everything in the published file: buffers, and the parts that only training uses."""
    found = goldens.tensors(name, "reordered_weights" if name == SPARSE_TEACHER else "weights", dtype)
    if name == SPARSE_TEACHER:
        whole = goldens.tensors(name, "weights", dtype)
        found |= {key: value for key, value in whole.items() if key.startswith("cls.")}
    prefix = config(name)["model_type"]
    positions = len(found[f"{prefix}.embeddings.position_embeddings.weight"])
    return found | {f"{prefix}.embeddings.position_ids": torch.arange(positions).expand(1, -1)}


def folder(path: Path, config: dict, weights: dict[str, Tensor]) -> Path:
    """A released folder: config, pickled weights, a WordPiece vocabulary with no fast form."""
    path.mkdir()
    (path / "config.json").write_text(json.dumps(config))
    torch.save(weights, path / "pytorch_model.bin")
    vocabulary = [*SPECIAL.values(), *WORDS]
    vocabulary += [f"[unused{i}]" for i in range(config["vocab_size"] - len(vocabulary))]
    (path / "vocab.txt").write_text("\n".join(vocabulary) + "\n", encoding="utf-8")
    (path / "special_tokens_map.json").write_text(json.dumps(SPECIAL))
    own = {"do_lower_case": True, "model_max_length": 512, "tokenizer_class": "BertTokenizer"}
    (path / "tokenizer_config.json").write_text(json.dumps(SPECIAL | own))
    return path


def release(path: Path, name: str, dtype: torch.dtype = torch.float32) -> Path:
    """The golden `name` as a released folder."""
    return folder(path, config(name), weights(name, dtype))
