"""The student encoder; importing this package registers it with the Auto classes of transformers."""

from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForSequenceClassification,
    AutoModelForTokenClassification,
)

from minimoe.models.config import MiniMoEConfig
from minimoe.models.student import (
    MiniMoEForSequenceClassification,
    MiniMoEForTokenClassification,
    MiniMoEModel,
)

__all__ = [
    "MiniMoEConfig",
    "MiniMoEForSequenceClassification",
    "MiniMoEForTokenClassification",
    "MiniMoEModel",
]

AutoConfig.register(MiniMoEConfig.model_type, MiniMoEConfig)
MiniMoEConfig.register_for_auto_class()
for auto_class, model_class in {
    AutoModel: MiniMoEModel,
    AutoModelForSequenceClassification: MiniMoEForSequenceClassification,
    AutoModelForTokenClassification: MiniMoEForTokenClassification,
}.items():
    auto_class.register(MiniMoEConfig, model_class)
    # saved folders carry this code, so that they load where only transformers is installed
    model_class.register_for_auto_class(auto_class.__name__)
