"""Save a student: as plain BERT or RoBERTa where it has that shape, else together with the code that loads it."""

from pathlib import Path

from transformers import BertModel, PreTrainedModel, RobertaModel

from minimoe.models.student import MiniMoEModel


def standard_form(model: MiniMoEModel) -> PreTrainedModel:
    """The equal `BertModel` or `RobertaModel` where the shape is theirs, else the model itself."""
    if not model.config.is_plain:
        return model
    kind = RobertaModel if model.config.embedding_type == "roberta" else BertModel
    plain = kind(model.config.plain(), add_pooling_layer=model.pooler is not None)
    plain.load_state_dict(model.state_dict())
    return plain.to(model.dtype)


def save(model: MiniMoEModel, folder: str | Path) -> None:
    """Write the model as a Hugging Face folder (config, safetensors, and code where it is not a plain BERT)."""
    standard_form(model).save_pretrained(folder)
