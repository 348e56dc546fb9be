"""Floating-point operations (FLOPs) of matrix products, by formula; two of them are one multiply-add.

What is no matrix product (softmax, dropout, LayerNorm) costs time but no FLOPs: it lowers the FLOP/s that `trial`
measures. A token passes through one expert, so experts add no more than their router.
"""

from typing import NamedTuple

from minimoe.params.rounds import Distill

BACKWARD = 3  # a step's FLOPs over its forward pass's: one more product for the inputs, one for the weights


class Layer(NamedTuple):
    """What one layer of an encoder multiplies."""

    width: int
    attention: int  # heads x size of a head
    neurons: int
    attention_experts: int = 1
    ffn_experts: int = 1

    @property
    def projections(self) -> int:
        """Multiply-adds a token of queries, keys and values."""
        return 3 * self.width * self.attention

    def whole(self, length: int) -> int:
        """Multiply-adds a token of the whole layer, among `length` tokens."""
        routers = sum(n for n in (self.attention_experts, self.ffn_experts) if n > 1)
        weights = self.projections + self.width * (self.attention + 2 * self.neurons + routers)
        return weights + 2 * length * self.attention

    @property
    def weights(self) -> int:
        """Weights, all experts together."""
        dense = 4 * self.width * self.attention, 2 * self.width * self.neurons
        return dense[0] * self.attention_experts + dense[1] * self.ffn_experts


def layers(config) -> list[Layer]:
    """The layers of a stock encoder, or a student, with this config."""
    count, width = config.num_hidden_layers, getattr(config, "width", config.hidden_size)
    size = getattr(config, "attention_head_size", 0) or config.hidden_size // config.num_attention_heads
    lists = {
        "layer_heads": config.num_attention_heads,
        "layer_neurons": config.intermediate_size,
        "attention_experts": 1,
        "ffn_experts": 1,
    }
    own = [getattr(config, name, None) or [value] * count for name, value in lists.items()]
    return [Layer(width, heads * size, *rest) for heads, *rest in zip(*own, strict=True)]


def parameters(config) -> int:
    """Weights of an encoder with its pooler; biases and LayerNorms, below 1 %, are left out."""
    width = getattr(config, "width", config.hidden_size)
    rows = config.vocab_size + config.max_position_embeddings + getattr(config, "type_vocab_size", 1)
    return rows * width + sum(layer.weights for layer in layers(config)) + config.hidden_size**2


def encoder(config, length: int) -> int:
    """FLOPs of a forward pass over one sequence of `length` tokens."""
    return 2 * length * sum(layer.whole(length) for layer in layers(config))


def to_tap(config, length: int, number: int) -> int:
    """FLOPs of a forward pass that ends at the projections of layer `number`, from 1."""
    below = layers(config)[: number - 1]
    tapped = layers(config)[number - 1]
    return 2 * length * (sum(layer.whole(length) for layer in below) + tapped.projections)


def teacher(config, length: int, settings: Distill) -> int:
    """FLOPs of a teacher's pass over one sequence: to its tap, or for TinyBERT to its end."""
    if settings.objective == "tinybert":
        return encoder(config, length)
    last = config.num_hidden_layers if settings.teacher_layer == "last" else settings.teacher_layer
    return to_tap(config, length, last)


def learner(
    config, teacher, length: int, settings: Distill, projection: int | None = None, *, alone: bool = True
) -> int:
    """FLOPs of a student's step on one sequence: forward and backward, and its relations to the teacher's.

    `projection` is the width of the extra projection of once-for-all members and an assistant's candidates; others have
    one where `distill.student` gives them one. One that is not `alone` runs as a part of a deeper member.
    """
    if settings.objective == "tinybert":
        return BACKWARD * encoder(config, length) + _relations(config.hidden_size, teacher.hidden_size, length)
    width = projection or config.hidden_size
    related = 3 * _relations(width, teacher.hidden_size, length)  # of queries, keys and values
    if projection is None and not (has_experts(config) or getattr(config, "inner_size", None)):
        return BACKWARD * to_tap(config, length, config.num_hidden_layers) + related
    own = encoder(config, length) if alone else 0
    return BACKWARD * (own + 2 * length * 3 * config.hidden_size * width) + related


def _relations(own: int, teacher: int, length: int) -> int:
    """FLOPs of one kind of relations: the teacher's and the student's products, and two for the student's gradient."""
    return 2 * length**2 * (teacher + BACKWARD * own)


def has_experts(config) -> bool:
    """Whether some sub-layer has more than one expert."""
    return any(layer.attention_experts > 1 or layer.ffn_experts > 1 for layer in layers(config))


def activations(config, length: int) -> int:
    """Numbers that one sequence's forward pass keeps for the backward pass.

    17 per token and width in a layer, 5/2 per head and pair of tokens (Korthikanti et al., arXiv 2205.05198, eq. 2, in
    numbers in place of bytes); a feed-forward of another shape than 4 widths is counted in proportion.
    """
    kept = 0
    heads = getattr(config, "layer_heads", None) or [config.num_attention_heads] * config.num_hidden_layers
    for layer, count in zip(layers(config), heads, strict=True):
        kept += length * (9 * layer.width + 2 * layer.neurons) + int(2.5 * count * length**2)
    return kept
