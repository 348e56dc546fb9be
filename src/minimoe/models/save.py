"""How a student is stored: as plain BERT or RoBERTa where it has that shape, else with the code to load it."""

from pathlib import Path

from transformers import BertModel, PreTrainedModel, RobertaModel

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
