"""One encoder layer: BERT's, with a mixture of experts in each sub-layer where the config has several experts.

Only the difference to BERT is written here. Weights have BERT's names; the routers of a layer are `attn_gate` and
`ffn_gate`, as in the published checkpoints, and weights of experts have a leading dimension E. A sub-layer without
heads or neurons is only its LayerNorm: the sparsest students lose whole sub-layers. Beyond the paper, a feed-forward
may have neurons that all tokens share, `shared`, and experts of which each token goes to several, and experts may be
chosen by the tokens' ids in place of a router.
"""

from torch import Tensor, nn
from transformers.activations import ACT2FN
from transformers.modeling_layers import GradientCheckpointingLayer
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS
from transformers.models.bert.modeling_bert import eager_attention_forward

from .config import MiniMoEConfig
from .dropout import Dropout, attend
from .experts import ExpertLinear
from .routing import HashRouter, Router, Routing


class SelfAttention(nn.Module):
    """Multi-head self-attention; the expert that a token is routed to computes its query, key and value."""

    def __init__(self, config: MiniMoEConfig, layer: int):
        super().__init__()
        self.config = config
        self.is_causal = False  # read by the attention kernels of transformers
        self.head_size = config.attention_head_size
        self.dropout = config.attention_probs_dropout_prob
        width = config.layer_heads[layer] * self.head_size
        for name in ("query", "key", "value"):
            self.add_module(name, ExpertLinear(config.attention_experts[layer], config.width, width))

    def forward(
        self, hidden: Tensor, mask: Tensor | None, routing: Routing | None, **kwargs
    ) -> tuple[Tensor, Tensor | None]:
        """[B, T, D] → context [B, T, H·head], and the probabilities [B, H, T, T] where the kernel returns them."""
        # experts work on sorted tokens; attention needs them in the order of the sequence again
        tokens = routing.sort(hidden) if routing else hidden
        query, key, value = (
            self._heads(linear(tokens, routing), hidden, routing) for linear in (self.query, self.key, self.value)
        )
        dropout = self.dropout if self.training else 0.0
        scale = self.head_size**-0.5
        if dropout and hidden.device.type == "cpu" and self.config._attn_implementation == "sdpa":
            context, attention = attend(query, key, value, mask, dropout, scale), None
        else:
            kernel = ALL_ATTENTION_FUNCTIONS.get_interface(self.config._attn_implementation, eager_attention_forward)
            context, attention = kernel(self, query, key, value, mask, dropout=dropout, scaling=scale, **kwargs)
        return context.reshape(*hidden.shape[:-1], -1), attention

    def _heads(self, projected: Tensor, hidden: Tensor, routing: Routing | None) -> Tensor:
        """Projections, sorted by expert where there is a routing → [B, H, T, head] in the order of the sequence."""
        projected = routing.restore(projected, hidden) if routing else projected
        return projected.view(*hidden.shape[:-1], -1, self.head_size).transpose(1, 2)


class Projection(nn.Module):
    """The first linear layer of the feed-forward, with E experts; a module so that weights have BERT's names."""

    def __init__(self, experts: int, in_features: int, out_features: int, active: int = 1):
        super().__init__()
        self.dense = ExpertLinear(experts, in_features, out_features, active)


class Output(nn.Module):
    """The end of a sub-layer: LayerNorm( x + Σ g · dropout(expert) ) over a token's experts, with gates g.

    Published is one expert a token. Experts share the LayerNorm.
    """

    def __init__(self, config: MiniMoEConfig, experts: int, in_features: int, active: int = 1):
        super().__init__()
        if in_features:
            self.dense = ExpertLinear(experts, in_features, config.width, active)
        self.LayerNorm = nn.LayerNorm(config.width, eps=config.layer_norm_eps)
        self.dropout = Dropout(config.hidden_dropout_prob)

    def forward(self, tokens: Tensor, residual: Tensor, routing: Routing | None) -> Tensor:
        """tokens [B, T, I], or [P, I] in sorted order, and residual [B, T, D] → [B, T, D]."""
        update = self.dense(tokens, routing)
        update = self.dropout(routing.restore(update, residual) if routing else update)
        return self.LayerNorm(residual + (routing.weigh(update) if routing else update))


class Shared(nn.Module):
    """Neurons of the feed-forward that compute every token beside its experts (DeepSeekMoE, arXiv 2401.06066, §3.2)."""

    def __init__(self, config: MiniMoEConfig):
        super().__init__()
        self.intermediate = nn.Linear(config.width, config.ffn_shared)
        self.activation = ACT2FN[config.hidden_act]
        self.output = nn.Linear(config.ffn_shared, config.width)
        self.dropout = Dropout(config.hidden_dropout_prob)

    def forward(self, hidden: Tensor) -> Tensor:
        """[B, T, D] → their update of the hidden states [B, T, D]."""
        return self.dropout(self.output(self.activation(self.intermediate(hidden))))


class Attention(nn.Module):
    """The self-attention sub-layer: router, attention, output."""

    def __init__(self, config: MiniMoEConfig, layer: int):
        super().__init__()
        heads = config.layer_heads[layer]
        self.self = SelfAttention(config, layer) if heads else None
        self.output = Output(config, config.attention_experts[layer], heads * config.attention_head_size)

    def forward(
        self, hidden: Tensor, mask: Tensor | None, router: Router | HashRouter | None, ids: Tensor | None, **kwargs
    ) -> Tensor:
        """[B, T, D], and where a router goes by them the ids [B, T] → [B, T, D]."""
        if self.self is None:
            return self.output.LayerNorm(hidden)
        routing = router.route(hidden, ids) if router else None
        context, _ = self.self(hidden, mask, routing, **kwargs)
        return self.output(routing.sort(context) if routing else context, hidden, routing)


class Layer(GradientCheckpointingLayer):
    """One encoder layer: self-attention, then feed-forward, each with its router where it has experts."""

    def __init__(self, config: MiniMoEConfig, layer: int):
        super().__init__()
        attention_experts, ffn_experts = config.attention_experts[layer], config.ffn_experts[layer]
        neurons, active = config.expert_neurons[layer], config.ffn_active
        self.attention = Attention(config, layer)
        self.intermediate = Projection(ffn_experts, config.width, neurons, active) if neurons else None
        self.activation = ACT2FN[config.hidden_act]
        self.output = Output(config, ffn_experts, neurons, active)
        self.shared = Shared(config) if config.ffn_shared else None
        self.attn_gate = _router(config, attention_experts)
        self.ffn_gate = _router(config, ffn_experts, active)

    def forward(
        self, hidden: Tensor, mask: Tensor | None = None, *unused, token_ids: Tensor | None = None, **kwargs
    ) -> Tensor:
        """[B, T, D], ids [B, T] → [B, T, D]; `unused` are the arguments of `BertEncoder` for decoders."""
        hidden = self.attention(hidden, mask, self.attn_gate, token_ids, **kwargs)
        if self.intermediate is None:
            return self.output.LayerNorm(hidden)
        routing = self.ffn_gate.route(hidden, token_ids) if self.ffn_gate else None
        tokens = routing.sort(hidden) if routing else hidden
        residual = hidden + self.shared(hidden) if self.shared else hidden
        return self.output(self.activation(self.intermediate.dense(tokens, routing)), residual, routing)


def _router(config: MiniMoEConfig, experts: int, active: int = 1) -> Router | HashRouter | None:
    if experts > 1 and config.expert_router == "hash":
        return HashRouter(experts)
    return Router(config.width, experts, config.router_noise, active) if experts > 1 else None
