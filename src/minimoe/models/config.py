"""The shape of a student encoder.

BERT's config, and per layer what BERT has only once: heads, neurons and experts. Dense, sparse and
mixture-of-experts students differ in these lists alone.
"""

from transformers import BertConfig


class MiniMoEConfig(BertConfig):
    """Shape of a student encoder of L layers.

    Args (beyond `BertConfig`; a list has one entry per layer, an empty one means "as BERT"):
        attention_head_size: width of a head; 0 means hidden_size / num_attention_heads.
        layer_heads: attention heads [L].
        layer_neurons: feed-forward neurons [L].
        attention_experts: experts of the self-attention [L].
        ffn_experts: experts of the feed-forward [L].
        router_noise: half the width of the uniform noise on router logits while training (paper §3.2).
    """

    model_type = "minimoe"

    attention_head_size: int = 0
    layer_heads: list[int] | tuple[int, ...] = ()
    layer_neurons: list[int] | tuple[int, ...] = ()
    attention_experts: list[int] | tuple[int, ...] = ()
    ffn_experts: list[int] | tuple[int, ...] = ()
    router_noise: float = 0.1

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
        super().__post_init__(**kwargs)

    @property
    def is_plain_bert(self) -> bool:
        """Whether `BertModel` has exactly these weights, so that no code of ours is needed to load them."""
        return (
            set(self.attention_experts) == set(self.ffn_experts) == {1}
            and self.attention_head_size * self.num_attention_heads == self.hidden_size
            and set(self.layer_heads) == {self.num_attention_heads}
            and set(self.layer_neurons) == {self.intermediate_size}
        )

    def plain_bert(self) -> BertConfig:
        """The equal `BertConfig`, for a config that is plain BERT."""
        own = {"attention_head_size", "layer_heads", "layer_neurons", "attention_experts", "ffn_experts"}
        skip = own | {"router_noise", "model_type", "auto_map", "architectures"}
        return BertConfig(**{key: value for key, value in self.to_dict().items() if key not in skip})
