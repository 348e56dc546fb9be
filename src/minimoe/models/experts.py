"""Experts: a router per sub-layer, and linear layers with one weight per expert (paper §3.2).

A router sorts the tokens by expert once; the linear layers of the sub-layer then work on contiguous
groups, one grouped matrix product each; the results are put back and scaled by the chosen probability.
Compute per token is that of one expert, whatever their number.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers.integrations import moe  # noqa: F401 (makes its operator)


@dataclass
class Routing:
    """Which expert each of N tokens goes to."""

    gate: Tensor  # [N, 1] probability of the chosen expert
    expert: Tensor  # [N] the chosen expert, of the tokens in sorted order
    order: Tensor  # [N] token at each place when sorted by expert
    inverse: Tensor  # [N] place of each token when sorted by expert
    ends: Tensor  # [E] where each expert's tokens end in sorted order

    def sort(self, tokens: Tensor) -> Tensor:
        """[..., D] → [N, D], each expert's tokens together."""
        return _Permuted.apply(tokens.reshape(-1, tokens.shape[-1]), self.order, self.inverse)

    def restore(self, tokens: Tensor, like: Tensor) -> Tensor:
        """[N, D] in sorted order → [..., D] in the order of `like` [..., D']."""
        return _Permuted.apply(tokens, self.inverse, self.order).view(*like.shape[:-1], -1)


class _Permuted(torch.autograd.Function):
    """Rows in another order. Its gradient is gathered; autograd's own would be added up row by row."""

    @staticmethod
    def forward(ctx, rows: Tensor, order: Tensor, inverse: Tensor) -> Tensor:
        ctx.save_for_backward(inverse)
        return rows.index_select(0, order)

    @staticmethod
    def backward(ctx, grad: Tensor) -> tuple[Tensor, None, None]:
        (inverse,) = ctx.saved_tensors
        return grad.index_select(0, inverse), None, None


class Router(nn.Linear):
    """Top-1 router over E experts, with noise on its logits while training.

    Differs from "a factor in [1−ε, 1+ε]": the published code adds it, and its constant 1 cancels in the softmax.
    """

    def __init__(self, hidden: int, experts: int, noise: float):
        super().__init__(hidden, experts)
        self.noise = noise

    def forward(self, tokens: Tensor) -> Tensor:
        """[..., D] → logits [N, E], with noise while training."""
        logits = super().forward(tokens.reshape(-1, tokens.shape[-1]))
        if self.training and self.noise > 0:
            logits = logits + 1 - self.noise + 2 * self.noise * torch.rand_like(logits)
        return logits

    def route(self, tokens: Tensor) -> Routing:
        """Send each token of [..., D] to its most probable expert."""
        probability = self(tokens).softmax(-1, dtype=torch.promote_types(tokens.dtype, torch.float32))
        gate, expert = probability.max(-1, keepdim=True)
        expert, order = expert.squeeze(-1).sort(stable=True)
        inverse = torch.empty_like(order).scatter_(0, order, torch.arange(len(order), device=order.device))
        ends = torch.searchsorted(expert, torch.arange(self.out_features, device=order.device), right=True)
        return Routing(gate.to(tokens.dtype), expert, order, inverse, ends)


class ExpertLinear(nn.Linear):
    """A linear layer for each of E experts: weight [E, out, in], bias [E, out].

    With one expert it is `nn.Linear`, names and shapes included.
    """

    def __init__(self, experts: int, in_features: int, out_features: int):
        super().__init__(in_features, out_features)
        self.experts = experts
        if experts > 1:
            self.weight = nn.Parameter(self.weight.new_empty(experts, out_features, in_features))
            self.bias = nn.Parameter(self.bias.new_empty(experts, out_features))

    def forward(self, tokens: Tensor, routing: Routing | None = None) -> Tensor:
        """Without experts [..., in] → [..., out]; with them [N, in] sorted by expert → [N, out]."""
        if self.experts == 1:
            return super().forward(tokens)
        device, dtype = tokens.device.type, tokens.dtype
        if torch.is_autocast_enabled(device):
            dtype = torch.get_autocast_dtype(device)
        product = grouped_matmul(tokens.to(dtype), self.weight.to(dtype).transpose(1, 2), routing.ends)
        # a product with ones picks the biases, and its gradient adds them up, both faster than by index
        chosen = functional.one_hot(routing.expert, self.experts).to(dtype)
        return torch.addmm(product, chosen, self.bias.to(dtype))

    def extra_repr(self) -> str:
        """As shown by print."""
        return f"experts={self.experts}, {super().extra_repr()}"


def grouped_matmul(tokens: Tensor, weights: Tensor, ends: Tensor) -> Tensor:
    """Multiply contiguous groups of tokens [N, I] by weights [E, I, O]; group e ends at ends[e] → [N, O].

    One kernel where torch has it: it wants 16-byte rows and at most 32 bits, and compiled code takes it in bf16 only.
    Elsewhere group by group, in an operator of transformers', which `torch.compile` does not look into.
    """
    rows = (tokens.shape[-1] * tokens.element_size(), weights.shape[-1] * weights.element_size())
    fits = tokens.element_size() <= 4 and not any(row % 16 for row in rows)
    if fits and (tokens.dtype == torch.bfloat16 or not torch.compiler.is_compiling()):
        return functional.grouped_mm(tokens, weights, offs=ends.to(torch.int32))
    return torch.ops.transformers.grouped_mm_fallback(tokens, weights, ends)
