"""Train a masked language modeling head for a teacher that has none, such as a sentence encoder.

Importance is measured by the masked language modeling loss. The encoder stays as it is, word embeddings included, which
are the head's last matrix; the head's other weights learn to read it.
"""

from collections.abc import Iterable, Iterator
from itertools import count

import torch
from torch import Tensor, nn
from tqdm import tqdm

from minimoe.records.masking import MaskedBatches
from minimoe.resume.checkpoints import Checkpoints
from minimoe.sparsify.importance import HEADS, masked_lm_loss
from minimoe.system.errors import UserError
from minimoe.training.draws import mixed
from minimoe.training.optim import linear_schedule

LEARNING_RATE, WARMUP = 1e-3, 0.1  # the highest; share of the steps
MEAN_OF = 50  # last steps that the loss is reported of


def own_weights(model) -> dict[str, nn.Parameter]:
    """The weights of the head of `model`, of a kind in `HEADS`, that its encoder does not share, by name."""
    shared = {id(weight) for weight in model.base_model.parameters()}
    named = model.get_submodule(HEADS[model.config.model_type]).named_parameters()
    return {name: weight for name, weight in named if id(weight) not in shared}


def train_head(
    model,
    masked: MaskedBatches,
    rows,
    batch: int,
    steps: int,
    *,
    first: int,
    tracker,
    checkpoints: Checkpoints,
    accelerator,
) -> float:
    """Train the head of `model` in place; returns the mean loss of the last steps, in nats a masked token.

    Every process trains on all batches and takes the main one's weights in the end, so their number changes nothing.
    A restart begins anew.

    Args:
        model: of a kind in `HEADS`, on its device; it is left in eval mode.
        rows: numbers of the records to read, as often as the steps need.
        batch: records a step.
        first: number of the first batch of masks, so that they are not those importance is measured on.
        tracker: gets each step's loss.
        checkpoints: asked whether to end.

    Raises `UserError` where the loss becomes NaN or infinite, `KeyboardInterrupt` where the process is asked to end.
    """
    model.eval()
    weights = list(own_weights(model).values())
    optimizer = torch.optim.AdamW(weights, weight_decay=0.0)
    losses = []
    bar = tqdm(range(steps), desc="sparsify head", unit="step", leave=False, disable=not accelerator.is_main_process)
    for step, chosen in zip(bar, _shuffled(rows, batch, masked.seed), strict=False):
        inputs = {name: value.to(model.device) for name, value in masked.batch(chosen, first + step).items()}
        for group in optimizer.param_groups:
            group["lr"] = LEARNING_RATE * linear_schedule(step + 1, steps + 1, round(WARMUP * steps))
        loss = masked_lm_loss(model, frozen=True, **inputs)
        for weight, gradient in zip(weights, torch.autograd.grad(loss, weights), strict=True):
            weight.grad = gradient
        optimizer.step()
        losses.append(loss.item())
        if not loss.isfinite():
            raise UserError(
                f"sparsify: the loss of the masked language modeling head became {losses[-1]} at step {step + 1}; "
                "check the teacher's weights, and that its tokenizer made the records"
            )
        tracker.metrics({"head_loss": losses[-1]}, step=step + 1)
        if checkpoints.decide(accelerator)[1]:
            raise KeyboardInterrupt
    share_weights(weights, accelerator)
    last = losses[-MEAN_OF:]
    return sum(last) / len(last)


def _shuffled(rows, batch: int, seed: int) -> Iterator[Tensor]:
    """Batches of `rows` without end, in a new order in every pass."""
    rows = torch.as_tensor(rows)
    for epoch in count():
        order = torch.randperm(len(rows), generator=torch.Generator().manual_seed(mixed(seed, epoch, 0)))
        yield from rows[order].split(batch)


def share_weights(weights: Iterable[nn.Parameter], accelerator) -> None:
    """Give every process the main one's `weights`."""
    if accelerator.num_processes > 1:
        for weight in weights:
            torch.distributed.broadcast(weight.data, 0)
