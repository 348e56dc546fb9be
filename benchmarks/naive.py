"""The distillation step as one writes it first, straight from the formulas: the baseline of `step`.

Both encoders run whole, with attention written out. Every relation is a [B, R, T, T] tensor of probabilities, kept for
the backward pass; rows of padding are gathered away; 1e-7 is added before the logarithm. The optimizer updates one
weight after another.
"""

import math

import torch
from torch import Tensor
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
            target = self._relations(self.teacher, batch)
        own = self._relations(self.student, batch)
        parts = [
            functional.kl_div((s + 1e-7).log(), t + 1e-7, reduction="batchmean")
            for s, t in zip(own, target, strict=True)
        ]
        loss = sum(parts) / 3
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.student.parameters(), 5.0)
        self.optimizer.step()
        self.optimizer.zero_grad()
        return loss.item()

    def _relations(self, model: BertModel, batch: dict[str, Tensor]) -> list[Tensor]:
        """Rows of real tokens [rows, T] of the last layer's three relations."""
        model(**batch)
        mask = batch["attention_mask"].bool()
        return [self._rows(model.read[name], mask) for name in QKV]

    def _rows(self, x: Tensor, mask: Tensor) -> Tensor:
        x = x.unflatten(-1, (self.heads, -1)).transpose(1, 2)
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
