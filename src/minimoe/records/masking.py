"""Mask tokens for masked language modeling.

15 % of a sequence's tokens, at most 20, never [CLS] or [SEP]: 80 % of these become [MASK], 10 % a random token,
10 % stay (BERT, section 3.1). The positions are drawn without replacement, so the share is met in every
sequence, not just on average. Small models learn faster from more masked tokens (Wettig et al., EACL 2023: Should You
Mask 15 % in Masked Language Modeling?), so the share can be another one.
"""

import torch
from torch import Tensor

from minimoe.training.draws import mixed

IGNORED = -100  # the label of a position that is not predicted
SHARE, MOST = 0.15, 20  # of a sequence's tokens, and how many at most, in BERT


def mask_tokens(
    input_ids: Tensor,
    *,
    vocabulary: int,
    mask_id: int,
    special_ids: list[int],
    generator: torch.Generator,
    share: float = SHARE,
) -> tuple[Tensor, Tensor]:
    """Hide tokens of `input_ids` [B, T]; returns what the model reads and its labels, both int64 [B, T].

    `share` of the tokens outside `special_ids` (padding is one of them, unknown words are not) is chosen, rounded, at
    least 1; of BERT's share at most 20. Labels are -100 where nothing is predicted. Draws come from `generator` alone.
    """
    special = torch.tensor(special_ids)
    candidates = ~torch.isin(input_ids, special)
    available = candidates.sum(1)
    most = MOST if share == SHARE else None
    wanted = (available * share).round().clamp(min=1, max=most).minimum(available)
    # a random order of each row's candidates: the first `wanted` of it are chosen
    draws = torch.rand(input_ids.shape, generator=generator).masked_fill(~candidates, 2.0)
    chosen = draws.argsort(1).argsort(1) < wanted[:, None]

    kind = torch.rand(input_ids.shape, generator=generator)
    ordinary = torch.arange(vocabulary)[~torch.isin(torch.arange(vocabulary), special)]
    random = ordinary[torch.randint(len(ordinary), input_ids.shape, generator=generator)]
    masked = torch.where(chosen & (kind < 0.8), mask_id, input_ids)
    masked = torch.where(chosen & (kind >= 0.9), random, masked)
    return masked, input_ids.masked_fill(~chosen, IGNORED)


class MaskedBatches:
    """Records as batches of masked sequences; the masks depend on the seed and a batch's number alone.

    share: of the tokens, as of `mask_tokens`.
    """

    def __init__(self, records, tokens, seed: int, share: float = SHARE):
        self.records, self.seed = records, seed
        self.masking = {
            "share": share,
            "vocabulary": len(tokens),
            "mask_id": tokens.mask_token_id,
            "special_ids": [tokens.pad_token_id, tokens.cls_token_id, tokens.sep_token_id, tokens.mask_token_id],
        }

    def batch(self, rows, number: int) -> dict[str, Tensor]:
        """The tensors of `Records.batch` of these records with `input_ids` masked, and `labels` [B, T]."""
        batch = self.records.batch(rows)
        generator = torch.Generator().manual_seed(mixed(self.seed, number))
        ids, labels = mask_tokens(batch["input_ids"], generator=generator, **self.masking)
        return {**batch, "input_ids": ids, "labels": labels}
