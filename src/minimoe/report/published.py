"""Numbers that others published: reference points, never mixed into the table of measured ones.

Only what is certain is here; a further one is entered from the paper itself, with table and row.
"""

from dataclasses import dataclass

PAPER = "Lifting the Curse of Capacity Gap in Distilling Language Models, ACL 2023"
LINK = "https://arxiv.org/abs/2305.12129"


@dataclass(frozen=True)
class Published:
    """A system's GLUE score (mean of eight, dev sets) and its multiply-adds at 128 tokens, where known."""

    system: str
    glue: float
    macs: float | None = None
    source: str = PAPER
    link: str = LINK


PUBLISHED = (
    Published("bert-base", 86.7, 10.9e9),
    Published("bert-large", 88.3),
    Published("bert-base at 10 %, knowledge distillation", 81.3),
    Published("bert-large at 5 %, knowledge distillation", 80.8),
)
CLAIM = "MiniMoE keeps about 95 % of its teacher's GLUE score at about 50 times less compute."
