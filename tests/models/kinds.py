"""A tiny student of every kind that a round can make, with weights that differ in every place."""

import torch

from minimoe.models import MiniMoEConfig, MiniMoEModel
from minimoe.models.initialise import new_student

LAYERS = 3
SHAPE = {
    "vocab_size": 320,
    "max_position_embeddings": 24,
    "hidden_size": 24,
    "num_hidden_layers": LAYERS,
    "num_attention_heads": 4,
    "intermediate_size": 48,
}
ROBERTA = {
    "embedding_type": "roberta",
    "bos_token_id": 0,
    "pad_token_id": 1,
    "eos_token_id": 2,
    "type_vocab_size": 1,
}
SPARSE = {"inner_size": 16, "layer_heads": [3, 0, 2], "layer_neurons": [40, 24, 0]}


def experts(attention: int, ffn: int) -> dict:
    return {"attention_experts": [attention] * LAYERS, "ffn_experts": [ffn] * LAYERS}


KINDS = {
    "dense": {},
    "dense-roberta": ROBERTA,
    "experts-1,4": experts(1, 4),
    "experts-2,4": experts(2, 4),
    "experts-4,1": experts(4, 1),
    "experts-4,4": experts(4, 4),
    "experts-roberta": ROBERTA | experts(2, 4),
    "experts-hash": experts(2, 4) | {"expert_router": "hash"},
    "experts-fine": experts(2, 6) | {"ffn_active": 2, "ffn_shared": 16},
    "sparse": SPARSE,
    "sparse-roberta": ROBERTA | SPARSE,
    "once-for-all": {"layer_heads": [4, 4, 0], "layer_neurons": [48, 48, 0]},  # its last layer is idle
}


def config(kind: str, **changes) -> MiniMoEConfig:
    return MiniMoEConfig(**SHAPE | KINDS[kind] | changes)


def student(kind: str, **changes) -> MiniMoEModel:
    """In eval mode; its output is in an order of its own where its layers are narrower."""
    model = new_student(config(kind, **changes), seed=1)
    generator = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for weight in model.parameters():  # biases and LayerNorms too
            weight.add_(0.1 * torch.randn(weight.shape, generator=generator))
        if model.config.inner_size:
            places = torch.randperm(model.config.hidden_size, generator=generator)
            model.encoder.recover_indices.copy_(places[: model.config.inner_size])
    return model.eval()


def batch(kind: str) -> dict[str, torch.Tensor]:
    """Ids and mask [2, 12]; the second sequence is padded from 7 on."""
    ids = torch.arange(10, 34).view(2, 12)
    mask = torch.ones_like(ids)
    ids[1, 7:], mask[1, 7:] = config(kind).pad_token_id, 0
    return {"input_ids": ids, "attention_mask": mask}
