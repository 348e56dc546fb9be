"""The distillation step as one writes it first, straight from the formulas: the baseline of `step`.

Both encoders run whole, with attention written out. Every relation is a [B, R, T, T] tensor of probabilities, kept for
the backward pass; rows of padding are gathered away; 1e-7 is added before the logarithm. The optimizer updates one
weight after another.

The published implementation does so as well. Besides, it has every layer of both encoders return its relations, the
student's with dropout, where only the last are compared: `every_layer`. In this form a step takes as long as a
published one, within 6 %.
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
        teacher, student: shapes. heads: relation heads. every_layer: whether layers below the last have theirs too.
    """

    def __init__(self, teacher: BertConfig, student: BertConfig, heads: int, *, every_layer: bool = False):
        self.teacher = _hooked(teacher, every_layer=every_layer).eval()
        self.student = _hooked(student, every_layer=every_layer).train()
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
    """One optimizer step of students that share their weights, one after another, each on leading slices of them.

    The teacher has relations of every layer, and subnets have dropout on theirs, as published.

    Args:
        teacher: its shape. subnets: theirs; the last is the one with all weights. heads: relation heads.
    """

    def __init__(self, teacher: BertConfig, subnets: list[BertConfig], heads: int):
        self.teacher = _hooked(teacher, every_layer=True).eval()
        self.subnets = [_projected(config, teacher.hidden_size).train() for config in subnets]
        self.whole = self.subnets[-1]
        self.heads = heads
        self.optimizer = torch.optim.AdamW(self.whole.parameters(), lr=3e-4, eps=1e-6, foreach=False)

    def __call__(self, batch: dict[str, Tensor]) -> None:
        """Take it."""
        with torch.no_grad():
            target = _relations(self.teacher, batch, self.heads)
        whole = dict(self.whole.named_parameters())
        for subnet in self.subnets:
            slices = {name: whole[name][tuple(map(slice, like.shape))] for name, like in subnet.named_parameters()}
            loss = _loss(_relations(subnet, batch, self.heads, slices), target)
            (loss / len(self.subnets)).backward()
        _update(self.whole, self.optimizer)


def _loss(own: list[Tensor], target: list[Tensor]) -> Tensor:
    parts = [
        functional.kl_div((s + 1e-7).log(), t + 1e-7, reduction="batchmean") for s, t in zip(own, target, strict=True)
    ]
    return sum(parts) / 3


def _update(model: BertModel, optimizer: torch.optim.Optimizer) -> None:
    torch.nn.utils.clip_grad_norm_(model.parameters(), 5.0)
    optimizer.step()
    optimizer.zero_grad()


def _relations(model: BertModel, batch: dict[str, Tensor], heads: int, weights: dict | None = None) -> list[Tensor]:
    """Rows of real tokens [rows, T] of the last layer's three relations; with these weights, or the model's own."""
    torch.func.functional_call(model, weights or {}, kwargs=batch)
    mask = batch["attention_mask"].bool()
    dropout = model.relation_dropout if model.training else 0.0
    relations = [functional.dropout(_relation(x, mask, heads), dropout) for x in model.read.values()]
    return [_rows(relation, mask) for relation in relations[-len(QKV) :]]


def _relation(x: Tensor, mask: Tensor, heads: int) -> Tensor:
    """[B, T, D] → [B, R, T, T]."""
    x = x.unflatten(-1, (heads, -1)).transpose(1, 2)
    scores = x @ x.transpose(-1, -2) / math.sqrt(x.shape[-1])
    scores = scores + (~mask[:, None, None, :]).to(x.dtype) * -10000.0
    return scores.softmax(-1)


def _rows(relation: Tensor, mask: Tensor) -> Tensor:
    rows = mask[:, None, :, None].expand_as(relation)
    return relation.masked_select(rows).view(-1, relation.shape[-1])


def _hooked(config: BertConfig, *, every_layer: bool = False) -> BertModel:
    """A random BERT that keeps queries, keys and values in `read`, of every layer in order, or of the last alone."""
    config._attn_implementation = "eager"
    model = BertModel(config)
    model.read, model.relation_dropout = {}, 0.1 if every_layer else 0.0
    for number, layer in enumerate(model.encoder.layer):
        for name in QKV if every_layer or layer is model.encoder.layer[-1] else ():
            layer.attention.self.get_submodule(name).register_forward_hook(
                lambda _m, _i, output, key=(number, name): model.read.update({key: output})
            )
    return model


def _projected(config: BertConfig, width: int) -> BertModel:
    """A random BERT with three projections of its output in `read`, as wide as the encoder that holds it."""
    config._attn_implementation = "eager"
    model = BertModel(config)
    model.projection = nn.ModuleDict({name: nn.Linear(config.hidden_size, width) for name in QKV})
    model.read, model.relation_dropout = {}, 0.1
    hidden = "last_hidden_state"
    model.register_forward_hook(
        lambda model, _i, output: model.read.update({name: model.projection[name](output[hidden]) for name in QKV})
    )
    return model
