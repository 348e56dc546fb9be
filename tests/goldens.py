"""The published implementation's numbers on tiny random models (tests/data/goldens), and models with its weights."""

import json
from pathlib import Path

import torch
from safetensors.torch import load_file
from transformers import BertConfig, BertModel

from minimoe.distill.student import StudentWithFeatures
from minimoe.models import MiniMoEConfig, MiniMoEModel

FOLDER = Path(__file__).parent / "data" / "goldens"
DENSE = "bert_minilm_r12_student"
EXPERTS = ["moebert_minilm_1_1E", "moebert_minilm_1_4E", "moebert_minilm_2_4E"]


def config(name: str) -> dict:
    return json.loads((FOLDER / name / "config.json").read_text())


def tensors(name: str, file: str, dtype: torch.dtype | None = None) -> dict[str, torch.Tensor]:
    loaded = load_file(FOLDER / name / f"{file}.safetensors")
    return {key: _cast(value, dtype) for key, value in loaded.items()}


def outputs(name: str, dtype: torch.dtype) -> dict[str, torch.Tensor]:
    return tensors(name, "outputs" if dtype == torch.float32 else "outputs_f64")


def tolerance(dtype: torch.dtype) -> float:
    """Relative error allowed against the published numbers."""
    return 1e-5 if dtype == torch.float32 else 1e-10


def error(ours: torch.Tensor, published: torch.Tensor) -> float:
    """Largest difference as a share of the largest published value."""
    return ((ours.detach() - published).abs().max() / published.abs().max()).item()


def teacher(name: str, dtype: torch.dtype = torch.float32) -> BertModel:
    """The stock BERT that taught the golden `name`."""
    name = config(name).get("teacher", name)
    values = {k: v for k, v in config(name).items() if k != "num_relation_heads"}
    model = BertModel(BertConfig(**values)).to(dtype).eval()
    weights = tensors(name, "weights", dtype)
    model.load_state_dict({k.removeprefix("bert."): v for k, v in weights.items() if k.startswith("bert.")})
    return model


def student_config(name: str) -> MiniMoEConfig:
    values = config(name)
    attention, ffn = map(int, values.get("moe", "1,1").split(","))
    layers = values["num_hidden_layers"]
    return MiniMoEConfig(
        vocab_size=values["vocab_size"],
        hidden_size=values["hidden_size"],
        max_position_embeddings=values["max_position_embeddings"],
        num_hidden_layers=layers,
        num_attention_heads=12,
        intermediate_size=values["intermediate_size"] // ffn,
        attention_experts=[attention] * layers,
        ffn_experts=[ffn] * layers,
    )


def encoder(name: str, dtype: torch.dtype = torch.float32, file: str = "weights") -> MiniMoEModel:
    model = MiniMoEModel(student_config(name)).to(dtype).eval()
    model.load_state_dict(encoder_weights(name, file, dtype))
    return model


def encoder_weights(name: str, file: str, dtype: torch.dtype = torch.float32) -> dict[str, torch.Tensor]:
    """Published weights under our names; without routers of one expert, and without the identity in once-for-all."""
    shape = student_config(name)
    idle = [
        gate
        for gate, experts in (("attn_gate", shape.attention_experts), ("ffn_gate", shape.ffn_experts))
        if max(experts) == 1
    ]
    weights = tensors(name, file, dtype)
    return {
        key.removeprefix("bert."): value
        for key, value in weights.items()
        if key.startswith("bert.") and not any(part in key for part in (*idle, "recover_indices"))
    }


def student(name: str, dtype: torch.dtype = torch.float32, file: str = "weights") -> StudentWithFeatures:
    """The published student as we train it, extra projection included where it has one."""
    weights = tensors(name, file, dtype)
    extra = {k.removeprefix("self."): v for k, v in weights.items() if k.startswith("self.")}
    trained = StudentWithFeatures(encoder(name, dtype, file), seed=0, extra_projection=bool(extra)).to(dtype)
    if extra:
        trained.projection.load_state_dict(extra)
    return trained.eval()


def published_name(ours: str) -> str:
    """A parameter of `StudentWithFeatures` under its published name."""
    part, _, rest = ours.partition(".")
    return f"{'bert' if part == 'encoder' else 'self'}.{rest}"


def _cast(value: torch.Tensor, dtype: torch.dtype | None) -> torch.Tensor:
    return value.to(dtype) if dtype and value.is_floating_point() else value
