"""The load balance of experts (paper §3.2), over a whole step: all its parts, on all processes.

How many tokens each expert gets is counted over the whole step first. What the load balance then adds to the loss is
linear in the tokens, so that the parts of a step add up, however it is shared out. Where every process has one part,
the counts come from its forward pass. Where it has several, they take a forward pass of their own, without gradients.

The z-loss of routers stands beside it: a sum over tokens, whose parts add up too.
"""

from collections.abc import Callable, Iterable, Sequence

import torch
from torch import Tensor

from minimoe.distill.batch import TokenCounts
from minimoe.distill.student import RouterLogits
from minimoe.models.routing import choose
from minimoe.params.rounds import Distill
from minimoe.training.processes import sum_over_processes


def tokens_per_expert(logits: Tensor, mask: Tensor | None, active: int = 1) -> Tensor:
    """How many tokens each expert gets [E], from router logits [N, E]; with a mask [N], of real tokens alone.

    A token that goes to k = `active` experts counts as 1/k at each of them, so that the sum is that of the tokens.
    """
    dtype = torch.promote_types(logits.dtype, torch.float32)
    weight = torch.ones_like(logits[:, :1], dtype=dtype) if mask is None else mask[:, None].to(dtype)
    chosen = torch.zeros_like(logits, dtype=dtype).scatter_(1, choose(logits, active), 1.0)
    return (chosen * weight).sum(0) / active


def load_balance(logits: Tensor, mask: Tensor | None, tokens: Tensor | None = None) -> Tensor:
    """Load balance of one router: E · Σ_e (mean probability of e) · (fraction of tokens for e) (paper §3.2).

    1 when balanced, E when one expert gets all. Only the mean probability carries a gradient, and it is linear in the
    tokens, so with the fractions of a whole step its parts add up to the whole step's load balance.

    Args:
        logits: router logits [N, E].
        mask: true at real tokens [N]; None counts padding too, as the published code does.
        tokens: per expert in the whole step [E], when these are one part of it; default: those of `logits`.
    """
    probability = logits.softmax(-1, dtype=torch.promote_types(logits.dtype, torch.float32))
    weight = torch.ones_like(probability[:, :1]) if mask is None else mask[:, None].to(probability.dtype)
    tokens = tokens_per_expert(logits, mask) if tokens is None else tokens
    count = tokens.sum()
    experts = logits.shape[-1]
    return experts * ((probability * weight).sum(0) / count * (tokens / count)).sum()


def mean_load_balance(
    attention: Sequence[Tensor],
    ffn: Sequence[Tensor],
    mask: Tensor | None,
    tokens: Sequence[Tensor] | None = None,
) -> Tensor | float:
    """Mean over layers; where both sub-layers have experts, the mean of the two; 0 without experts.

    `tokens` are those of `load_balance`, of the attention's routers, then of the feed-forward's.
    """
    counts = iter(tokens or [None] * (len(attention) + len(ffn)))
    return _mean(attention, ffn, lambda logits: load_balance(logits, mask, next(counts)))


def z_loss(logits: Tensor, mask: Tensor, tokens: int | Tensor | None = None) -> Tensor:
    """Router z-loss: mean over real tokens of logsumexp(logits)² (ST-MoE, arXiv 2202.08906, eq. 5).

    Args:
        logits: router logits [N, E].
        mask: true at real tokens [N].
        tokens: real tokens of the whole step, when these are one part of it; default: those of `mask`.
    """
    squares = logits.to(torch.promote_types(logits.dtype, torch.float32)).logsumexp(-1).square()
    return squares.masked_fill(~mask, 0.0).sum() / (mask.sum() if tokens is None else tokens)


def mean_z_loss(
    attention: Sequence[Tensor], ffn: Sequence[Tensor], mask: Tensor, tokens: int | Tensor | None = None
) -> Tensor | float:
    """Mean over layers and sub-layers, as of the load balance."""
    return _mean(attention, ffn, lambda logits: z_loss(logits, mask, tokens))


def _mean(attention: Sequence[Tensor], ffn: Sequence[Tensor], of: Callable[[Tensor], Tensor]) -> Tensor | float:
    means = [torch.stack([of(logits) for logits in routers]).mean() for routers in (attention, ffn) if routers]
    return sum(means) / len(means) if means else 0.0


class RouterLoss:
    """What routers add to a student's loss: the load balance and the z-loss, each times its weight.

    Args:
        settings: the round's settings.
        accelerator: knows the other processes.
        active: to how many experts a token goes, by sub-layer: attention, ffn; default: one.
    """

    def __init__(self, settings: Distill, accelerator, active: dict[str, int] | None = None):
        self.settings, self.accelerator = settings, accelerator
        self.active = active or dict.fromkeys(("attention", "ffn"), 1)
        self._tokens: list[Tensor] = []  # per expert [E] in the whole step, of every router, where it has parts

    def count_step(self, parts: Iterable[tuple[RouterLogits, Tensor]]) -> None:
        """Count the tokens of a step in parts, from the router logits and mask [B, T] of each."""
        counts = [self._count(logits, mask) for logits, mask in parts]
        tokens = self._over_processes([torch.stack(router).sum(0) for router in zip(*counts, strict=True)])
        if self._tokens:  # stay where they are, as a CUDA graph reads them there
            torch._foreach_copy_(self._tokens, tokens)
        else:
            self._tokens = tokens

    def __call__(self, logits: RouterLogits, mask: Tensor, counts: TokenCounts) -> Tensor | float:
        """A part's share of what they add in the step, whose counts are `counts`; 0 without experts."""
        if not any(logits.values()):
            return 0.0
        tokens = self._tokens or self._over_processes(self._count(logits, mask))
        balance = mean_load_balance(logits["attention"], logits["ffn"], self._counted(mask), tokens)
        added = self.settings.load_balance * balance
        if weight := self.settings.router_z_loss:
            added = added + weight * mean_z_loss(logits["attention"], logits["ffn"], mask.flatten(), counts.tokens)
        return added

    def _count(self, logits: RouterLogits, mask: Tensor) -> list[Tensor]:
        counted = self._counted(mask)
        return [
            tokens_per_expert(router.detach(), counted, self.active[kind])
            for kind in ("attention", "ffn")
            for router in logits[kind]
        ]

    def _counted(self, mask: Tensor) -> Tensor | None:
        return None if self.settings.balance_padding else mask.flatten()

    def _over_processes(self, counts: list[Tensor]) -> list[Tensor]:
        """The sums over all processes, in one message."""
        if not counts:
            return counts
        return list(sum_over_processes(torch.cat(counts), self.accelerator).split([len(count) for count in counts]))
