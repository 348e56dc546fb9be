"""Pretrain a BERT by masked language modeling on the records: the sample's teacher.

Differs from BERT because passes are few: no dropout while pretraining (Cramming, section 4.3). The saved
config has BERT's 0.1 again, for finetuning. Logits are computed at masked positions only, because the vocabulary's
matrix is the largest of a small model.

Without dropout, a step's records and masks are all that is drawn, and both are functions of the seed and the step.
So weights, AdamW's moments and the losses so far are a checkpoint, from which a run ends with the same bytes.
"""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn
from tqdm import tqdm
from transformers import BertConfig, BertForMaskedLM, set_seed

from minimoe.hub.loading import load_tokenizer
from minimoe.records.masking import IGNORED, MaskedBatches
from minimoe.resume.checkpoints import Checkpoints, NoCheckpoints
from minimoe.system.errors import UserError
from minimoe.system.files import whole_folder
from minimoe.training.optim import NO_DECAY, deterministic, linear_schedule
from minimoe.training.state import load_state_tensors, state_tensors

POSITIONS = 512
WARMUP = 0.1  # share of the steps
WEIGHT_DECAY = 0.01
CLIPPED = 1.0  # norm of the gradient of all weights, at most


class Losses(NamedTuple):
    """Cross-entropy in nats a masked token."""

    training: float  # mean over all steps
    heldout: float  # of the model that was saved, on the records of the documents held out, with BERT's share masked


def pretrain(
    records,
    tokenizer: str | Path,
    out: str | Path,
    *,
    layers: int,
    hidden: int,
    heads: int,
    neurons: int,
    masked: float,
    epochs: int,
    batch: int,
    learning_rate: float,
    seed: int,
    device: str,
    log_every: int,
    tracker,
    checkpoints: Checkpoints | None = None,
) -> Losses:
    """Train on the training records of `records` (a `Records`) and save a `BertForMaskedLM` with its tokenizer.

    `masked` is the share of tokens that are hidden. The same seed gives the same weights. What is done so far lies in
    `checkpoints`; by default nothing is kept. `tracker` gets the training loss, and in the end
    `heldout_masked_lm_loss`. Raises `UserError` where a loss or a weight becomes NaN or infinite.
    """
    tokens = load_tokenizer(tokenizer)
    config = BertConfig(
        vocab_size=len(tokens),
        num_hidden_layers=layers,
        hidden_size=hidden,
        num_attention_heads=heads,
        intermediate_size=neurons,
        max_position_embeddings=POSITIONS,
        pad_token_id=tokens.pad_token_id,
    )
    set_seed(seed)
    model = BertForMaskedLM(config).to(device)
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    deterministic(model.device)
    training = Pretraining(model, MaskedBatches(records, tokens, seed, masked), epochs, batch, learning_rate)
    losses = training.run(checkpoints or NoCheckpoints(), tracker, log_every)
    heldout = heldout_loss(model, MaskedBatches(records, tokens, seed), batch)
    tracker.metrics({"heldout_masked_lm_loss": heldout}, step=training.steps)
    with whole_folder(out) as temporary:
        model.save_pretrained(temporary)
        tokens.save_pretrained(temporary)
    return Losses(losses.mean().item(), heldout)


class Pretraining:
    """The training loop: AdamW, linear warm-up and decay, gradients clipped.

    Args:
        model: on its device.
        masked: the records, with masks for the number of a step.
        batch: records a step; the last of an epoch may have fewer.
        learning_rate: the highest.
    """

    def __init__(self, model: BertForMaskedLM, masked: MaskedBatches, epochs: int, batch: int, learning_rate: float):
        self.model, self.masked, self.batch, self.learning_rate = model, masked, batch, learning_rate
        self.epoch_steps = math.ceil(len(masked.records.training) / batch)
        self.steps = epochs * self.epoch_steps
        decayed = [weight for name, weight in model.named_parameters() if not name.endswith(NO_DECAY)]
        others = [weight for name, weight in model.named_parameters() if name.endswith(NO_DECAY)]
        groups = [{"params": decayed, "weight_decay": WEIGHT_DECAY}, {"params": others, "weight_decay": 0.0}]
        self.optimizer = torch.optim.AdamW(groups, fused=True)
        self.losses = torch.zeros(self.steps, device=model.device)  # of every step so far

    def run(self, checkpoints: Checkpoints, tracker, log_every: int) -> Tensor:
        """Train, from the newest checkpoint on; returns the losses [steps]."""
        done = self._restore(checkpoints)
        self.model.train()
        progress = tqdm(self._batches(done), initial=done, total=self.steps, desc="teacher", unit="step", leave=False)
        with checkpoints.interruptible():
            for step, inputs in enumerate(progress, start=done + 1):
                self.losses[step - 1] = self._update(step, inputs)
                if step % log_every == 0 or step == self.steps:
                    loss = self._mean_loss((step - 1) // log_every * log_every, step)
                    tracker.metrics({"train_loss": loss}, step)
                    progress.set_postfix(loss=f"{loss:.3f}", refresh=False)
                if checkpoints.due() or step == self.steps:
                    tracker.flush()  # so that no point before the checkpoint can be lost
                    self._save(checkpoints, step)
                checkpoints.stop()
        return self.losses

    def _batches(self, done: int) -> Iterator[dict[str, Tensor]]:
        """The batch of every step after `done`: the order is a function of the seed and the epoch."""
        for step in range(done, self.steps):
            epoch, at = divmod(step, self.epoch_steps)
            if at == 0 or step == done:
                generator = torch.Generator().manual_seed(self.masked.seed + epoch)
                order = torch.randperm(len(self.masked.records.training), generator=generator)
            batch = self.masked.batch(order[at * self.batch : (at + 1) * self.batch].tolist(), step)
            yield {name: value.to(self.model.device) for name, value in batch.items()}

    def _update(self, step: int, inputs: dict[str, Tensor]) -> Tensor:
        """Train on the batch of `step`, from 1; returns its loss."""
        rate = self.learning_rate * linear_schedule(step - 1, self.steps, math.ceil(WARMUP * self.steps))
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        loss = masked_loss(self.model, inputs)
        loss.backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), CLIPPED)
        self.optimizer.step()
        self.optimizer.zero_grad()
        return loss.detach()

    def _mean_loss(self, first: int, last: int) -> float:
        """The mean loss of the steps after `first` up to `last`; `UserError` where one is NaN or infinite."""
        losses = self.losses[first:last]
        for step, loss in enumerate(losses.tolist(), start=first + 1):
            if not math.isfinite(loss):
                raise self._diverged(f"the training loss became {loss} at step {step}")
        return losses.mean().item()

    def _save(self, checkpoints: Checkpoints, step: int) -> None:
        tensors = state_tensors(self.model, self.optimizer)
        if not torch.stack([tensor.isfinite().all() for tensor in tensors.values()]).all():
            raise self._diverged(f"a weight became NaN or infinite by step {step}")
        checkpoints.save(step, tensors | {"losses": self.losses}, {})

    def _restore(self, checkpoints: Checkpoints) -> int:
        """Set model, optimizer and losses to the newest checkpoint; returns its step, 0 where there is none."""
        if saved := checkpoints.load():
            load_state_tensors(self.model, self.optimizer, saved.tensors)
            self.losses.copy_(saved.tensors["losses"])
        return saved.number if saved else 0

    def _diverged(self, what: str) -> UserError:
        return UserError(f"teacher: {what}; lower teacher.pretrain.learning_rate, {self.learning_rate:g}")


def masked_loss(model: BertForMaskedLM, inputs: dict[str, Tensor]) -> Tensor:
    """Mean cross-entropy of the masked tokens of a batch, with logits at masked positions only; takes out `labels`."""
    labels = inputs.pop("labels")
    masked = labels != IGNORED
    states = model.bert(**inputs).last_hidden_state[masked]
    return nn.functional.cross_entropy(model.cls(states), labels[masked])


@torch.no_grad()
def heldout_loss(model: BertForMaskedLM, masked: MaskedBatches, batch: int) -> float:
    """Mean cross-entropy of the masked tokens of all held-out records, `batch` at once, in nats; in eval mode."""
    model.eval()
    rows, loss, tokens = masked.records.heldout, 0.0, 0
    for number, start in enumerate(range(0, len(rows), batch)):
        inputs = masked.batch(rows[start : start + batch], number)
        labels = inputs.pop("labels")
        chosen = labels != IGNORED
        states = model.bert(**{key: value.to(model.device) for key, value in inputs.items()}).last_hidden_state
        logits = model.cls(states[chosen.to(model.device)])
        wanted = labels[chosen].to(model.device)
        loss += nn.functional.cross_entropy(logits, wanted, reduction="sum").item()
        tokens += len(wanted)
    return loss / tokens
