"""The kinds of encoder that can teach: where their layers are, how queries, keys and values are read, what they take.

A kind is one row of `KINDS`, no modeling file. Queries and keys of kinds with rotary positions (RoPE) are read before
the rotation. It turns pairs of dimensions half a head apart, and relation heads would cut through these pairs, so that
what is left depends on absolute positions. Before it relations are of content alone, which a student with learned
positions can have too.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from transformers import PreTrainedModel

from minimoe.system.errors import UserError

BERT_EPS = 1e-12  # of a student's LayerNorms where its teacher's norms are of another kind


@dataclass(frozen=True)
class EncoderKind:
    """How encoders of one kind are read.

    Attributes:
        layers: name of the list of layers.
        query, key, value: names of a layer's projections; the same name: one projection of all three, in this order.
        norm: name of the norm before the projections, if there is one.
        tuples: whether a layer returns a tuple.
        behind_padding: whether positions begin behind the padding id and skip padding, as RoBERTa's.
        segments: whether it takes segments.
        mask: what it takes: pairs [B, 1, T, T], tokens [B, T], or windows: pairs for layers that attend to everything,
            and for those that attend within a window.
        scores: whether attention scores are Q Kᵀ / √d alone, without positions; TinyBERT compares only such scores.
    """

    layers: str = "encoder.layer"
    query: str = "attention.self.query"
    key: str = "attention.self.key"
    value: str = "attention.self.value"
    norm: str = ""
    tuples: bool = False
    behind_padding: bool = False
    segments: bool = True
    mask: Literal["pairs", "tokens", "windows"] = "pairs"
    scores: bool = True

    @property
    def starts(self) -> bool:
        """Whether its layers compute what BERT's do, so that a student can start from them."""
        return self.scores and not self.norm


_BERT, _ROBERTA = EncoderKind(), EncoderKind(behind_padding=True)
_ROTARY = {"query": "self_attn.q_proj", "key": "self_attn.k_proj", "value": "self_attn.v_proj", "scores": False}
KINDS = {
    "bert": _BERT,
    "camembert": _ROBERTA,
    # scores also have terms of relative positions, for which the projections are called a second time
    "deberta-v2": EncoderKind(
        query="attention.self.query_proj", key="attention.self.key_proj", value="attention.self.value_proj",
        tuples=True, mask="tokens", scores=False,
    ),
    "electra": _BERT,
    "ernie": _BERT,
    "eurobert": EncoderKind(layers="layers", norm="input_layernorm", segments=False, **_ROTARY),  # grouped queries
    "megatron-bert": EncoderKind(norm="attention.ln", tuples=True),
    "minimoe": _BERT,
    "modernbert": EncoderKind(
        layers="layers", query="attn.Wqkv", key="attn.Wqkv", value="attn.Wqkv", norm="attn_norm", segments=False,
        mask="windows", scores=False,
    ),
    "mpnet": EncoderKind(  # scores also have a bias of relative positions
        query="attention.attn.q", key="attention.attn.k", value="attention.attn.v", tuples=True, behind_padding=True,
        segments=False, scores=False,
    ),
    "nomic_bert": EncoderKind(layers="layers", **_ROTARY),
    "roberta": _ROBERTA,
    "xlm-roberta": _ROBERTA,
}  # fmt: skip


def kind_of(config) -> EncoderKind:
    """The kind of an encoder with this config; `UserError` where it has no row."""
    if config.model_type not in KINDS:
        known = ", ".join(sorted(KINDS))
        raise UserError(f"teacher: expected an encoder of one of the kinds {known}; got {config.model_type!r}")
    return KINDS[config.model_type]


def inputs_for(encoder: PreTrainedModel, batch: Mapping[str, Tensor | None]) -> dict:
    """A batch in the form that the encoder takes.

    Args:
        encoder: of any kind, known or not.
        batch: ids and maybe segments [B, T], and the mask of attention [B, 1, T, T], None where nothing is padded.
    """
    config, inputs = encoder.config, dict(batch)
    kind = KINDS.get(config.model_type, _BERT)
    ids, mask = inputs["input_ids"], inputs.get("attention_mask")
    if not kind.segments:
        inputs.pop("token_type_ids", None)
    if mask is not None and mask.dim() != 4:
        return inputs
    if kind.mask == "tokens":
        inputs["attention_mask"] = torch.ones_like(ids) if mask is None else mask[:, 0, 0].long()
    elif kind.mask == "windows":
        place = torch.arange(ids.shape[1], device=ids.device)
        near = ((place[:, None] - place).abs() <= config.sliding_window).expand(len(ids), 1, -1, -1)
        # padding attends to everything: what attends to nothing is NaN
        near = near if mask is None else near & mask | ~mask.transpose(-1, -2)
        inputs["attention_mask"] = {"full_attention": mask, "sliding_attention": near}
    elif mask is not None and config._attn_implementation == "eager":  # adds its mask to the scores
        zeros = torch.zeros(mask.shape, dtype=encoder.dtype, device=mask.device)
        inputs["attention_mask"] = zeros.masked_fill(~mask, torch.finfo(encoder.dtype).min)
    return inputs
