"""The student encoder: BERT with the layers of `layers.py`, and the interface and task heads of BERT.

Only the difference to BERT is written here: RoBERTa's embeddings where the teacher has them, and for layers narrower
than the output, the scatter of their dimensions to the teacher's.

It is built from parts of BERT that transformers does not document: here, and the attention of `layers`. Tested with
transformers 5.23. Nothing can take their place: they are what makes a student behave as BERT does everywhere.
"""

import torch
from torch import Tensor, nn
from transformers import initialization as init
from transformers.modeling_outputs import (
    BaseModelOutputWithPastAndCrossAttentions,
    BaseModelOutputWithPoolingAndCrossAttentions,
)
from transformers.models.bert.modeling_bert import (
    BertEmbeddings,
    BertEncoder,
    BertForSequenceClassification,
    BertForTokenClassification,
    BertModel,
    BertPooler,
    BertPreTrainedModel,
)
from transformers.models.roberta.modeling_roberta import RobertaEmbeddings

from .config import MiniMoEConfig
from .dropout import Dropout
from .layers import Layer, SelfAttention


class Encoder(BertEncoder):
    """A stack of `Layer`; narrower layers are scattered into an output of the teacher's width and order."""

    def __init__(self, config: MiniMoEConfig):
        nn.Module.__init__(self)
        self.config = config
        self.layer = nn.ModuleList([Layer(config, layer) for layer in range(config.num_hidden_layers)])
        if config.inner_size is not None:
            # the output dimension of each dimension of the layers; integers, since bf16 rounds indices above 256
            self.recover_indices = nn.Buffer(torch.arange(config.inner_size))

    def forward(self, *args, **kwargs) -> BaseModelOutputWithPastAndCrossAttentions:
        """As `BertEncoder`: embeddings [B, T, width] → last hidden states [B, T, D]."""
        output = super().forward(*args, **kwargs)
        if self.config.inner_size is not None:
            inner = output.last_hidden_state
            wide = inner.new_zeros(*inner.shape[:-1], self.config.hidden_size)
            output.last_hidden_state = wide.index_copy(-1, self.recover_indices, inner)
        return output


class MiniMoEPreTrainedModel(BertPreTrainedModel):
    """What transformers needs of every model: config, initialisation, attention kernels, outputs to record."""

    config: MiniMoEConfig
    _supports_flash_attn = False
    _supports_flex_attn = False
    _can_record_outputs = {"hidden_states": Layer, "attentions": SelfAttention}  # noqa: RUF012 (transformers' form)

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        super()._init_weights(module)
        if isinstance(module, RobertaEmbeddings):  # its buffers are not in the saved weights
            places = torch.arange(module.position_ids.shape[-1]).expand((1, -1))
            init.copy_(module.position_ids, places)
            init.zeros_(module.token_type_ids)


class MiniMoEModel(MiniMoEPreTrainedModel, BertModel):
    """The student encoder; same arguments and outputs as `BertModel`."""

    _no_split_modules = ["Layer"]  # noqa: RUF012

    def __init__(self, config: MiniMoEConfig, add_pooling_layer: bool = True):
        BertPreTrainedModel.__init__(self, config)
        embeddings = RobertaEmbeddings if config.embedding_type == "roberta" else BertEmbeddings
        self.embeddings = embeddings(config.inner())
        self.embeddings.dropout = Dropout(config.hidden_dropout_prob)
        self.encoder = Encoder(config)
        self.pooler = BertPooler(config) if add_pooling_layer else None
        self.post_init()

    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        token_type_ids: Tensor | None = None,
        position_ids: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
        **kwargs,
    ) -> BaseModelOutputWithPoolingAndCrossAttentions:
        """As `BertModel`; its layers get the ids too, which may choose their experts."""
        inputs = (input_ids, attention_mask, token_type_ids, position_ids, inputs_embeds)
        return super().forward(*inputs, token_ids=input_ids, **kwargs)


class MiniMoEForSequenceClassification(MiniMoEPreTrainedModel, BertForSequenceClassification):
    """The student encoder with BERT's sequence classification head."""

    def __init__(self, config: MiniMoEConfig):
        BertPreTrainedModel.__init__(self, config)
        self.num_labels = config.num_labels
        self.bert = MiniMoEModel(config)
        self.dropout = nn.Dropout(_classifier_dropout(config))
        self.classifier = nn.Linear(config.hidden_size, config.num_labels)
        self.post_init()


class MiniMoEForTokenClassification(MiniMoEPreTrainedModel, BertForTokenClassification):
    """The student encoder with BERT's token classification head."""

    def __init__(self, config: MiniMoEConfig):
        BertPreTrainedModel.__init__(self, config)
        self.num_labels = config.num_labels
        self.bert = MiniMoEModel(config, add_pooling_layer=False)
        self.dropout = nn.Dropout(_classifier_dropout(config))
        self.classifier = nn.Linear(config.hidden_size, config.num_labels)
        self.post_init()


def _classifier_dropout(config: MiniMoEConfig) -> float:
    return config.hidden_dropout_prob if config.classifier_dropout is None else config.classifier_dropout
