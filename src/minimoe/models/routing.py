"""Route tokens to experts: a router per sub-layer (paper §3.2) or a hash, and tokens sorted by expert and back."""

from contextlib import nullcontext
from dataclasses import dataclass

import torch
from torch import Tensor, nn

# padding of experts' groups in 16 bits on the CPU, see `_step`:
SHARE = 16  # for many tokens, at most 1/SHARE of them is added as padding
SMALLEST = 16  # for few tokens, groups are a multiple of this


@dataclass
class Routing:
    """Which k experts each of N tokens goes to, and its places in sorted order: P ≥ N·k, contiguous per expert."""

    gate: Tensor | None  # [N, k] probabilities of the chosen experts; None: k is 1, and so is every gate
    places: Tensor  # [N·k] each token's places, its k together
    order: Tensor  # [P] the token at each place; any token at a place of padding
    expert: Tensor  # [P] the expert of each place
    ends: Tensor  # [E] where each expert's places end

    def sort(self, tokens: Tensor) -> Tensor:
        """[..., D] → [P, D], each expert's tokens together."""
        return _Sorted.apply(tokens.reshape(-1, tokens.shape[-1]), self.order, self.places, self.active)

    def restore(self, tokens: Tensor, like: Tensor) -> Tensor:
        """[P, D] in sorted order → [..., k·D] in the order of `like` [..., D']."""
        return _Restored.apply(tokens, self.places).view(*like.shape[:-1], -1)

    def weigh(self, restored: Tensor) -> Tensor:
        """[..., k·D] → [..., D]: the sum of what a token's experts computed, each times its gate."""
        if self.gate is None:
            return restored
        if self.active == 1:
            return self.gate.view(*restored.shape[:-1], 1) * restored
        copies = restored.unflatten(-1, (self.active, -1))
        return (self.gate.view(*copies.shape[:-1], 1) * copies).sum(-2)

    @property
    def active(self) -> int:
        """k."""
        return 1 if self.gate is None else self.gate.shape[-1]


class Router(nn.Linear):
    """Top-k router over E experts, in at least fp32, with noise on its logits while training; published k = 1.

    In at least fp32, because in bf16 0.6 % of the tokens would go to another expert. The noise differs from the paper's
    "a factor in [1−ε, 1+ε]": the published code adds it to the logits; its constant 1 cancels in the softmax and is
    left out.
    """

    def __init__(self, hidden: int, experts: int, noise: float, active: int = 1):
        super().__init__(hidden, experts)
        self.noise, self.active = noise, active

    def forward(self, tokens: Tensor) -> Tensor:
        """[..., D] → logits [N, E], with noise while training."""
        kind = torch.promote_types(tokens.dtype, torch.float32)
        with _as_it_is(tokens.device.type):
            tokens = tokens.reshape(-1, tokens.shape[-1]).to(kind)
            logits = nn.functional.linear(tokens, self.weight.to(kind), self.bias.to(kind))
        if self.training and self.noise > 0:
            logits = logits + self.noise * (2 * torch.rand_like(logits) - 1)
        return logits

    def route(self, tokens: Tensor, ids: Tensor | None = None) -> Routing:
        """Send each token of [..., D] to its k most probable experts. Gates are not scaled to a sum of 1.

        `ids` are for routers that go by them.
        """
        logits = self(tokens)
        if self.active > 1:
            return self._several(logits, tokens)
        top, expert = logits.max(-1, keepdim=True)
        gate = (logits - top).exp().sum(-1, keepdim=True).reciprocal()  # max of the softmax: 1 / Σ exp(l − max l)
        step = _step(logits.shape[0], self.out_features, tokens)
        return Routing(gate.to(tokens.dtype), *arrange(expert.squeeze(-1), self.out_features, step))

    def _several(self, logits: Tensor, tokens: Tensor) -> Routing:
        expert = choose(logits, self.active)
        gate = logits.softmax(-1).gather(-1, expert)
        step = _step(logits.shape[0] * self.active, self.out_features, tokens)
        places, copy, owner, ends = arrange(expert.flatten(), self.out_features, step)
        return Routing(gate.to(tokens.dtype), places, copy // self.active, owner, ends)


class HashRouter(nn.Module):
    """Sends a token to the expert of its id, id mod E, in whatever context: nothing is learnt, and gates are 1.

    Hash layers (Roller et al. 2021, arXiv 2106.04426, §3). Vocabularies are roughly in the order of frequency, so that
    tokens of about the same frequency are dealt out evenly.
    """

    def __init__(self, experts: int):
        super().__init__()
        self.experts = experts

    def route(self, tokens: Tensor, ids: Tensor | None) -> Routing:
        """Send each token of [..., D] to the expert of its id, of the ids [...]; `ValueError` without them."""
        if ids is None:
            raise ValueError("input_ids: expected them, as they choose the experts of this model; got embeddings alone")
        step = _step(ids.numel(), self.experts, tokens)
        return Routing(None, *arrange(ids.reshape(-1) % self.experts, self.experts, step))

    def extra_repr(self) -> str:
        """As shown by print."""
        return f"experts={self.experts}"


def choose(logits: Tensor, active: int) -> Tensor:
    """The k most probable experts, from router logits [..., E] → [..., k]; of equal ones the first, as for one."""
    if active == 1:
        return logits.argmax(-1, keepdim=True)
    left, chosen = logits.detach(), []
    for _ in range(active):
        chosen.append(left.argmax(-1, keepdim=True))
        left = left.scatter(-1, chosen[-1], -torch.inf)
    return torch.cat(chosen, -1)


def computed(tokens: Tensor) -> torch.dtype:
    """The dtype of matrix products with these tokens: autocast's where it is on, else their own."""
    device = tokens.device.type
    return torch.get_autocast_dtype(device) if _autocast(device) else tokens.dtype


def _as_it_is(device: str):
    """A context without autocast."""
    return torch.autocast(device, enabled=False) if _autocast(device) else nullcontext()


def _autocast(device: str) -> bool:
    """Whether autocast is on; asking first whether there is any, since `meta` has none and would raise an error."""
    return torch.amp.is_autocast_available(device) and torch.is_autocast_enabled(device)


def arrange(expert: Tensor, experts: int, step: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Sort tokens by expert: a place for each, every expert having a multiple of `step` places.

    Args:
        expert: [N] the chosen one of E.
        experts: E.
        step: 1 means no padding.

    Returns:
        The routing's `places`, `order`, `expert` and `ends`. P depends on N, E and `step` alone.
    """
    count = (expert.shape[0] + experts * (step - 1)) // step * step
    # a counting sort: no order of equal keys to decide, and no wait for a count on the host
    place = torch.arange(count, device=expert.device)
    chosen = expert == torch.arange(experts, device=expert.device)[:, None]
    number = chosen.cumsum(-1)  # [E, N] a token's number among those of its expert, from 1
    wanted = (number[:, -1] + step - 1) // step * step
    ends = wanted.cumsum(0)
    places = (ends - wanted - 1)[expert] + number.gather(0, expert[None]).squeeze(0)
    ends[-1] = count  # the last expert has the places that are left
    order = torch.zeros_like(place).scatter_(0, places, place[: expert.shape[0]])
    return places, order, torch.searchsorted(ends, place, right=True), ends


def _step(count: int, experts: int, tokens: Tensor) -> int:
    """The number that the size of every expert's group is padded to a multiple of; 1 for none.

    On the CPU a product in 16 bits is compiled for its shape, which takes longer than the product itself. Padded
    groups have few different shapes.
    """
    if tokens.device.type != "cpu" or computed(tokens).itemsize > 2:
        return 1
    return max(SMALLEST, count // (SHARE * experts) // SMALLEST * SMALLEST)


class _Sorted(torch.autograd.Function):
    """Rows sorted by expert, each k times. The gradient is a gather; autograd's own, an `index_add`, is slower."""

    @staticmethod
    def forward(ctx, rows: Tensor, order: Tensor, places: Tensor, active: int) -> Tensor:
        ctx.save_for_backward(places)
        ctx.active = active
        return rows.index_select(0, order)

    @staticmethod
    def backward(ctx, grad: Tensor) -> tuple[Tensor, None, None, None]:
        (places,) = ctx.saved_tensors
        copies = grad.index_select(0, places)
        rows = copies if ctx.active == 1 else copies.unflatten(0, (-1, ctx.active)).sum(1)
        return rows, None, None, None


class _Restored(torch.autograd.Function):
    """Rows back in their own order. The gradient is copied to the places; padding gets zero."""

    @staticmethod
    def forward(ctx, rows: Tensor, places: Tensor) -> Tensor:
        ctx.save_for_backward(places)
        ctx.count = rows.shape[0]
        return rows.index_select(0, places)

    @staticmethod
    def backward(ctx, grad: Tensor) -> tuple[Tensor, None]:
        (places,) = ctx.saved_tensors
        return grad.new_zeros(ctx.count, grad.shape[-1]).index_copy_(0, places, grad), None
