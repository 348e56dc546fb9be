"""Config of the student encoder: BERT's, with heads, neurons and experts for each layer.

BERT has one number of heads and one of neurons for all layers. Dense, sparse, once-for-all and mixture-of-experts
students differ only in these lists, and in whether the layers are narrower than the output.
"""

import copy
from typing import Literal

from transformers import BertConfig, PreTrainedConfig, RobertaConfig

AUTO_CLASSES = {  # `auto_map` of saved folders: file and class for each Auto class, where minimoe is not installed
    "AutoConfig": "config.MiniMoEConfig",
    "AutoModel": "student.MiniMoEModel",
    "AutoModelForSequenceClassification": "student.MiniMoEForSequenceClassification",
    "AutoModelForTokenClassification": "student.MiniMoEForTokenClassification",
}


class MiniMoEConfig(BertConfig):
    """Config of a student encoder with L layers.

    Args (beyond `BertConfig`; a list has one entry per layer, an empty one means "as BERT"):
        attention_head_size: width of a head; 0 means hidden_size / num_attention_heads.
        layer_heads: attention heads [L]; with 0 heads only the LayerNorm of the sub-layer is left.
        layer_neurons: feed-forward neurons that compute a token [L]; with 0 neurons likewise.
        attention_experts: experts of the self-attention [L].
        ffn_experts: experts of the feed-forward [L].
        ffn_active: to how many of them a token goes, each of (neurons - ffn_shared) / ffn_active neurons; published 1.
        ffn_shared: neurons of the feed-forward beside the experts, which compute every token; published 0
            (DeepSeekMoE, arXiv 2401.06066, §3).
        expert_router: learned: routers, as published | hash: the expert of a token is that of its id (Roller et al.
            2021, arXiv 2106.04426).
        router_noise: half the width of the uniform noise on router logits while training (paper §3.2).
        inner_size: width of the layers, where they are narrower than the output: a sparse student keeps this many of
            its teacher's hidden dimensions, and scatters them into an output of the teacher's width, zeros elsewhere
            (MiniDisc, arXiv 2205.14570).
        embedding_type: bert or roberta; RoBERTa's positions start after the padding id and skip padding.
    """

    model_type = "minimoe"

    attention_head_size: int = 0
    layer_heads: list[int] | tuple[int, ...] = ()
    layer_neurons: list[int] | tuple[int, ...] = ()
    attention_experts: list[int] | tuple[int, ...] = ()
    ffn_experts: list[int] | tuple[int, ...] = ()
    ffn_active: int = 1
    ffn_shared: int = 0
    expert_router: Literal["learned", "hash"] = "learned"
    router_noise: float = 0.1
    inner_size: int | None = None
    embedding_type: Literal["bert", "roberta"] = "bert"

    def __post_init__(self, **kwargs):
        layers = self.num_hidden_layers
        self.attention_head_size = self.attention_head_size or self.hidden_size // self.num_attention_heads
        self.layer_heads = list(self.layer_heads) or [self.num_attention_heads] * layers
        self.layer_neurons = list(self.layer_neurons) or [self.intermediate_size] * layers
        self.attention_experts = list(self.attention_experts) or [1] * layers
        self.ffn_experts = list(self.ffn_experts) or [1] * layers
        for name in ("layer_heads", "layer_neurons", "attention_experts", "ffn_experts"):
            values = getattr(self, name)
            if len(values) != layers:
                raise ValueError(f"{name}: expected one value for each of {layers} layers, got {values}")
        if (self.ffn_active, self.ffn_shared) != (1, 0):
            self._check_experts()
        kwargs.setdefault("auto_map", dict(AUTO_CLASSES))
        super().__post_init__(**kwargs)

    def _check_experts(self) -> None:
        active, shared = self.ffn_active, self.ffn_shared
        for experts, neurons in zip(self.ffn_experts, self.layer_neurons, strict=True):
            if self.expert_router == "hash" and active > 1:
                raise ValueError(f"ffn_active: expected 1 where expert_router is hash, got {active}")
            if not 1 <= active < experts:
                raise ValueError(f"ffn_active: expected 1 to {experts - 1} of {experts} experts, got {active}")
            if not 0 <= shared < neurons:
                raise ValueError(f"ffn_shared: expected fewer than {neurons} neurons, got {shared}")
            if (neurons - shared) % active:
                raise ValueError(f"ffn_active: expected a divisor of {neurons - shared} neurons, got {active}")

    @property
    def width(self) -> int:
        """Width of every layer."""
        return self.inner_size or self.hidden_size

    @property
    def expert_neurons(self) -> list[int]:
        """Neurons of each expert of the feed-forward [L]; all of them where it has one."""
        return [(neurons - self.ffn_shared) // self.ffn_active for neurons in self.layer_neurons]

    def inner(self) -> "MiniMoEConfig":
        """A copy for stock BERT blocks inside the encoder, which read the width of the layers from `hidden_size`."""
        config = copy.copy(self)
        config.hidden_size = self.width
        return config

    @property
    def is_plain(self) -> bool:
        """Whether these are exactly the weights of a BERT or RoBERTa, which loads without this package's code."""
        return (
            set(self.attention_experts) == set(self.ffn_experts) == {1}
            and self.inner_size is None
            and self.attention_head_size * self.num_attention_heads == self.hidden_size
            and set(self.layer_heads) == {self.num_attention_heads}
            and set(self.layer_neurons) == {self.intermediate_size}
        )

    def plain(self) -> PreTrainedConfig:
        """The same shape as a config of BERT or RoBERTa; only for a config that `is_plain`."""
        kind = RobertaConfig if self.embedding_type == "roberta" else BertConfig
        own = set(MiniMoEConfig.__annotations__) | {"model_type", "auto_map", "architectures"}
        return kind(**{key: value for key, value in self.to_dict().items() if key not in own})
