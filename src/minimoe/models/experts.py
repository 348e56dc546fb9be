"""Experts: linear layers with one weight per expert (paper §3.2).

Tokens come sorted by expert (see `routing`), so that a layer is one grouped matrix product over contiguous groups. Each
token is computed by one expert, or a fixed number of them, so the compute per token does not grow with the number of
experts.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers.integrations import moe  # noqa: F401 (registers torch.ops.transformers.grouped_mm_fallback)

from .routing import Routing, computed


class ExpertLinear(nn.Linear):
    """A linear layer for each of E experts: weight [E, out, in], bias [E, out].

    With one expert it is `nn.Linear`, names and shapes of weights included, so that a dense student loads as BERT.
    `active` says to how many of them a token goes; here each of its copies is a row.
    """

    def __init__(self, experts: int, in_features: int, out_features: int, active: int = 1):
        super().__init__(in_features, out_features)
        self.experts, self.active = experts, active
        if experts > 1:
            self.weight = nn.Parameter(self.weight.new_empty(experts, out_features, in_features))
            self.bias = nn.Parameter(self.bias.new_empty(experts, out_features))

    def forward(self, tokens: Tensor, routing: Routing | None = None) -> Tensor:
        """Without experts [..., in] → [..., out]; with them [P, in] sorted by expert → [P, out]."""
        if self.experts == 1:
            return super().forward(tokens)
        dtype = computed(tokens)
        product = grouped_matmul(tokens.to(dtype), self.weight.to(dtype).transpose(1, 2), routing.ends)
        # a product with ones picks the biases, and its gradient adds them up, both faster than by index
        chosen = functional.one_hot(routing.expert, self.experts).to(dtype)
        return product.addmm_(chosen, self.bias.to(dtype))  # in place: a new [P, out] costs more than the sum

    def extra_repr(self) -> str:
        """As shown by print."""
        active = f"active={self.active}, " if self.active > 1 else ""
        return f"experts={self.experts}, {active}{super().extra_repr()}"


def grouped_matmul(tokens: Tensor, weights: Tensor, ends: Tensor) -> Tensor:
    """Multiply contiguous groups of tokens [P, I] by weights [E, I, O]; group e ends at ends[e] → [P, O].

    One kernel where PyTorch has it: `grouped_mm` needs rows of a multiple of 16 bytes and at most 32 bits an element,
    and under `torch.compile` bf16. Otherwise one product per group, in a custom operator of transformers that
    `torch.compile` does not trace.
    """
    rows = (tokens.shape[-1] * tokens.element_size(), weights.shape[-1] * weights.element_size())
    fits = tokens.element_size() <= 4 and not any(row % 16 for row in rows)
    if fits and (tokens.dtype == torch.bfloat16 or not torch.compiler.is_compiling()):
        return functional.grouped_mm(tokens, weights, offs=ends.to(torch.int32))
    return torch.ops.transformers.grouped_mm_fallback(tokens, weights, ends)
