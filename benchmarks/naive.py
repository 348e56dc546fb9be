"""The distillation step as one writes it first, straight from the formulas: the baseline of `step`.

Both encoders run whole, with attention written out. Every relation is a [B, R, T, T] tensor of probabilities, kept for
the backward pass; rows of padding are gathered away; 1e-7 is added before the logarithm. The optimizer updates one
weight after another.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import BertConfig, BertModel

QKV = ("query", "key", "value")


class Step:
    """One optimizer step of a dense student under a teacher.

    Args:
        teacher, student: shapes. heads: relation heads.
    """

    def __init__(self, teacher: BertConfig, student: BertConfig, heads: int):
        self.teacher = _tapped(teacher).eval()
        self.student = _tapped(student).train()
        self.heads = heads
        self.optimizer = torch.optim.AdamW(self.student.parameters(), lr=3e-4, eps=1e-6, foreach=False)

    def __call__(self, batch: dict[str, Tensor]) -> float:
        """The step's loss."""
        with torch.no_grad():
            target = _relations(self.teacher, batch, self.heads)
        loss = _loss(_relations(self.student, batch, self.heads), target)
        loss.backward()
        _update(self.student, self.optimizer)
        return loss.item()


class OnceForAll:
    """One optimizer step of students that share their weights, one after another; here each has weights of its own.

    Args:
        teacher: its shape. members: theirs; the last is the one with all weights. heads: relation heads.
    """

    def __init__(self, teacher: BertConfig, members: list[BertConfig], heads: int):
        self.teacher = _tapped(teacher).eval()
        self.members = [_projected(config, teacher.hidden_size).train() for config in members]
        self.heads = heads
        self.optimizer = torch.optim.AdamW(self.members[-1].parameters(), lr=3e-4, eps=1e-6, foreach=False)

    def __call__(self, batch: dict[str, Tensor]) -> None:
        """Take it."""
        with torch.no_grad():
            target = _relations(self.teacher, batch, self.heads)
        for member in self.members:
            loss = _loss(_relations(member, batch, self.heads), target)
            (loss / len(self.members)).backward()
        _update(self.members[-1], self.optimizer)


def _loss(own: list[Tensor], target: list[Tensor]) -> Tensor:
    parts = [
        functional.kl_div((s + 1e-7).log(), t + 1e-7, reduction="batchmean") for s, t in zip(own, target, strict=True)
    ]
    return sum(parts) / 3


def _update(model: BertModel, optimizer: torch.optim.Optimizer) -> None:
    torch.nn.utils.clip_grad_norm_(model.parameters(), 5.0)
    optimizer.step()
    optimizer.zero_grad()


def _relations(model: BertModel, batch: dict[str, Tensor], heads: int) -> list[Tensor]:
    """Rows of real tokens [rows, T] of the last layer's three relations."""
    model(**batch)
    mask = batch["attention_mask"].bool()
    return [_rows(model.read[name], mask, heads) for name in QKV]


def _rows(x: Tensor, mask: Tensor, heads: int) -> Tensor:
    x = x.unflatten(-1, (heads, -1)).transpose(1, 2)
    scores = x @ x.transpose(-1, -2) / math.sqrt(x.shape[-1])
    scores = scores + (~mask[:, None, None, :]).to(x.dtype) * -10000.0
    relation = scores.softmax(-1)
    rows = mask[:, None, :, None].expand_as(relation)
    return relation.masked_select(rows).view(-1, relation.shape[-1])


def _tapped(config: BertConfig) -> BertModel:
    """A random BERT that keeps its last queries, keys and values in `read`."""
    config._attn_implementation = "eager"
    model = BertModel(config)
    model.read = {}
    for name in QKV:
        linear = model.encoder.layer[-1].attention.self.get_submodule(name)
        linear.register_forward_hook(lambda _m, _i, output, name=name: model.read.update({name: output}))
    return model


def _projected(config: BertConfig, width: int) -> BertModel:
    """A random BERT with three projections of its output in `read`, as wide as the encoder that holds it."""
    config._attn_implementation = "eager"
    model = BertModel(config)
    model.read, model.projection = {}, nn.ModuleDict({name: nn.Linear(config.hidden_size, width) for name in QKV})
    hidden = "last_hidden_state"
    model.register_forward_hook(
        lambda model, _i, output: model.read.update({name: model.projection[name](output[hidden]) for name in QKV})
    )
    return model
