"""What a model costs: multiply-adds, parameters, measured latency.

Multiply-adds are counted as the paper counts them (it writes "GFLOPs"): the linear layers of the encoder for
one sequence. For bert-base at 128 tokens that is 12 layers x 12 D^2 x 128 = 10.87e9, the paper's 10.9. Left
out are embeddings, pooler, heads, and the attention products Q K^T and P V (3 % more for bert-base at 128
tokens). They are counted in a forward pass (`flops`), so what a model does not compute is not counted, and a
router counts like any linear layer.

An expert layer is a linear layer whose weight has a leading expert dimension, [E, out, in]. A token passes
through exactly k of its experts (published: one), so it costs what a dense layer of k times an expert's width costs.
"""

import statistics
import time
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import nn
from tqdm import tqdm
from transformers import AutoModel, PreTrainedModel
from transformers.utils import logging

from minimoe.hub import loading
from minimoe.models.shapes import positions
from minimoe.report import flops
from minimoe.system.errors import UserError

logging.set_verbosity_error()  # a head is left out, as it should be
WARM_UP = 3  # forward passes before the measured ones: the first pay for allocation and kernel selection


def load_encoder(folder: str | Path) -> PreTrainedModel:
    """The encoder in a Hugging Face model folder; `UserError` where there is none."""
    return loading.load_encoder(AutoModel, folder)


def measure(
    model: PreTrainedModel, *, length: int, batches: Sequence[int], repeats: int, device: str
) -> dict[str, int | float]:
    """Every cost of an encoder, under the names of metrics/cost/<model>.json.

    model: an encoder without a head. length: tokens in a sequence. batches: sequences at once, a latency for
    each. repeats: measured forward passes; the median counts. Raises `UserError` when the model has fewer
    positions than tokens.
    """
    if length > positions(model.config):
        raise UserError(f"cost.length: expected at most {positions(model.config)}, the model's positions, got {length}")
    total, active = count_parameters(model)
    costs = {f"macs_{length}": count_macs(model, length), "params_total": total, "params_active": active}
    model.to(device)
    for batch in tqdm(batches, desc="latency", unit="batch size"):
        costs[f"latency_ms_b{batch}"] = round(latency(model, batch, length, repeats), 3)
    return costs


def count_macs(model: PreTrainedModel, length: int) -> int:
    """Multiply-adds of the encoder's linear layers for one sequence of `length` tokens."""
    return flops.forward(flops.encoder(model.config), length).linear // 2


def count_parameters(model: PreTrainedModel) -> tuple[int, int]:
    """(total, active) parameters of the encoder: its embeddings are included, its pooler is not.

    Active are those that one token can use: of an expert layer's parameters k/E, of every other layer's all,
    the whole embedding table included although a token uses one row of it.
    """
    total = sum(p.numel() for name, p in model.named_parameters() if not _outside(name))
    experts = [layer for layer in _linear_layers(model) if layer.weight.dim() == 3]
    idle = sum(p.numel() - layer.active * p[0].numel() for layer in experts for p in layer.parameters())
    return total, total - idle


def latency(model: PreTrainedModel, batch: int, length: int, repeats: int) -> float:
    """Median milliseconds of a forward pass over random ids [batch, length] without padding."""
    sequences = _sequences(model, batch, length)
    times = []
    for _ in range(WARM_UP + repeats):
        start = time.perf_counter()
        _forward(model, sequences)
        if model.device.type == "cuda":
            torch.cuda.synchronize(model.device)
        times.append(1000 * (time.perf_counter() - start))
    return statistics.median(times[WARM_UP:])


def _sequences(model: PreTrainedModel, batch: int, length: int) -> dict[str, torch.Tensor]:
    """Random token ids [batch, length] with a full mask; the same ones at every call."""
    generator = torch.Generator().manual_seed(0)
    ids = torch.randint(model.config.vocab_size, (batch, length), generator=generator).to(model.device)
    return {"input_ids": ids, "attention_mask": torch.ones_like(ids)}


@torch.inference_mode()
def _forward(model: PreTrainedModel, sequences: dict[str, torch.Tensor]) -> None:
    model.eval()
    model(**sequences)


def _linear_layers(model: PreTrainedModel) -> list[nn.Linear]:
    """The encoder's linear layers."""
    return [m for name, m in model.named_modules() if isinstance(m, nn.Linear) and not _outside(name)]


def _outside(name: str) -> bool:
    """Whether the module or parameter of this name belongs to the pooler, which is no part of the encoder."""
    return "pooler" in name.split(".")
