"""The published sparsification's numbers as models and batches of ours, and tiny teachers."""

import json

import goldens
import torch
from transformers import (
    BertConfig,
    BertForMaskedLM,
    BertModel,
    CamembertConfig,
    CamembertForMaskedLM,
    RobertaConfig,
    RobertaForMaskedLM,
)

from minimoe.models.sparsity import Importance

MLM = "sparsebert_mlm_h48"
SHAPE = dict(
    hidden_size=32, num_hidden_layers=3, num_attention_heads=4, intermediate_size=64, max_position_embeddings=64
)
KINDS = {
    "bert": (BertForMaskedLM, BertConfig),
    "camembert": (CamembertForMaskedLM, CamembertConfig),
    "roberta": (RobertaForMaskedLM, RobertaConfig),
}


def golden_json(file: str) -> dict:
    return json.loads((goldens.FOLDER / MLM / f"{file}.json").read_text())


def golden_model(dtype: torch.dtype) -> BertForMaskedLM:
    """The published model before it was reordered, in stock form."""
    model = BertForMaskedLM(_golden_config()).to(dtype).eval()
    weights = goldens.tensors(MLM, "weights", dtype)
    model.load_state_dict({key: value for key, value in weights.items() if "pooler" not in key})
    return model


def golden_encoder(dtype: torch.dtype) -> BertModel:
    """Its encoder, with the published pooler."""
    model = BertModel(_golden_config()).to(dtype).eval()
    weights = goldens.tensors(MLM, "weights", dtype)
    model.load_state_dict({key.removeprefix("bert."): value for key, value in weights.items() if "cls." not in key})
    return model


def _golden_config() -> BertConfig:
    return BertConfig(**{key: value for key, value in goldens.config(MLM).items() if key != "num_relation_heads"})


def golden_batches() -> list[dict]:
    """Its three batches, with labels [B, T]."""
    inputs = goldens.tensors(MLM, "inputs")
    return [_batch({key[:-2]: value for key, value in inputs.items() if key.endswith(f".{n}")}) for n in range(3)]


def golden_inputs() -> dict:
    """The first of them without labels, of which the hidden states are published."""
    return {key: value for key, value in golden_batches()[0].items() if key != "labels"}


def _batch(inputs: dict) -> dict:
    """Published positions and labels [B, 20] as labels [B, T]."""
    labels = torch.full_like(inputs["text_indices"], -100)
    for row, positions, values, real in zip(
        labels, inputs["mlm_positions"], inputs["mlm_labels"], inputs["mlm_mask"], strict=True
    ):
        row[positions[real]] = values[real]
    return {
        "input_ids": inputs["text_indices"],
        "attention_mask": inputs["text_mask"].long(),
        "token_type_ids": inputs["text_segments"],
        "labels": labels,
    }


def golden_importance() -> Importance:
    published = goldens.tensors(MLM, "outputs")
    return Importance(*(published[f"{kind}_importance"] for kind in Importance._fields))


def teacher(kind: str = "bert", **changes):
    """A tiny random masked language model, in eval mode."""
    model, config = KINDS[kind]
    torch.manual_seed(0)
    made = model(config(**{"vocab_size": 60} | SHAPE | changes)).eval()
    for weight in made.parameters():  # so that no LayerNorm and no bias is trivial
        weight.data += 0.2 * torch.randn_like(weight)
    return made


def batch(seed: int = 0, rows: int = 3, tokens: int = 12) -> dict:
    """Random ids with padding in the last row, and labels at a third of the places."""
    torch.manual_seed(seed)
    ids = torch.randint(5, 60, (rows, tokens))
    labels = torch.where(torch.arange(tokens) % 3 == 1, ids, -100)
    mask = torch.ones_like(ids)
    mask[-1, tokens // 2 :] = 0
    return {
        "input_ids": ids,
        "attention_mask": mask,
        "token_type_ids": torch.zeros_like(ids),
        "labels": labels.masked_fill(mask == 0, -100),
    }


def inputs(seed: int = 0) -> dict:
    """A batch without its labels."""
    return {key: value for key, value in batch(seed).items() if key != "labels"}


def random_importance(seed: int = 0, **changes) -> Importance:
    shape = SHAPE | changes
    layers = shape["num_hidden_layers"]
    torch.manual_seed(seed)
    return Importance(
        torch.rand(layers, shape["num_attention_heads"]),
        torch.rand(layers, shape["intermediate_size"]),
        torch.rand(shape["hidden_size"]),
    )
