"""How a student is stored: as plain BERT or RoBERTa where it has that shape, else with the code to load it."""

from pathlib import Path

from transformers import BertModel, PreTrainedModel, RobertaModel

from minimoe.models.config import MiniMoEConfig
from minimoe.models.student import MiniMoEModel


def standard_form(model: MiniMoEModel) -> PreTrainedModel:
    """The model itself, or the equal `BertModel` or `RobertaModel` when the shape is theirs."""
    if not model.config.is_plain:
        return model
    kind = RobertaModel if model.config.embedding_type == "roberta" else BertModel
    plain = kind(model.config.plain(), add_pooling_layer=model.pooler is not None)
    plain.load_state_dict(model.state_dict())
    return plain.to(model.dtype)


def save(model: MiniMoEModel, folder: str | Path) -> None:
    """Write the model as a Hugging Face folder (config, safetensors, and code where BERT's does not do)."""
    standard_form(model).save_pretrained(folder)


def embedding_type(teacher) -> str:
    """How positions are counted by an encoder with this config, and by its students."""
    own = getattr(teacher, "embedding_type", None)
    return own or ("roberta" if teacher.model_type in {"roberta", "xlm-roberta"} else "bert")


def positions(config) -> int:
    """Tokens that an encoder with this config can take: RoBERTa's first positions stand for padding."""
    return config.max_position_embeddings - (config.pad_token_id + 1 if embedding_type(config) == "roberta" else 0)


def student_config(teacher, *, layers: int, hidden: int, heads: int, neurons: int | None, experts, dropout: float):
    """The config of a student with this teacher's vocabulary and positions.

    Args:
        teacher: the teacher's `PreTrainedConfig`.
        layers: L. hidden: D. heads: H of size D/H. neurons: of a feed-forward; None means 4·D.
        experts: has `attention` and `ffn`, experts of every layer.
        dropout: everywhere in the student; half the width of the router noise as well (paper §3.2).
    """
    return MiniMoEConfig(
        vocab_size=teacher.vocab_size,
        max_position_embeddings=teacher.max_position_embeddings,
        type_vocab_size=max(1, getattr(teacher, "type_vocab_size", 1)),
        pad_token_id=teacher.pad_token_id,
        bos_token_id=teacher.bos_token_id,
        eos_token_id=teacher.eos_token_id,
        layer_norm_eps=teacher.layer_norm_eps,
        embedding_type=embedding_type(teacher),
        num_hidden_layers=layers,
        hidden_size=hidden,
        num_attention_heads=heads,
        intermediate_size=neurons or 4 * hidden,
        attention_experts=[experts.attention] * layers,
        ffn_experts=[experts.ffn] * layers,
        hidden_dropout_prob=dropout,
        attention_probs_dropout_prob=dropout,
        router_noise=dropout,
    )
