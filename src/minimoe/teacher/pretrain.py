"""A BERT made here, by masked language modeling on the records: the sample's teacher.

Differs from BERT because passes are few: no dropout while pretraining (Cramming, section 4.3). The saved
config has BERT's 0.1 again, for finetuning. Logits are computed at masked positions only, a seventh of them,
because the vocabulary's matrix is the largest of a small model.
"""

from pathlib import Path
from typing import NamedTuple

import torch
from torch import nn
from transformers import BertConfig, BertForMaskedLM, set_seed

from minimoe.finetune.trainer import QuietTrainer, Watch, arguments
from minimoe.hub.loading import load_tokenizer
from minimoe.records.masking import IGNORED, MaskedBatches
from minimoe.resume.checkpoints import Checkpoints, NoCheckpoints
from minimoe.system.files import whole_folder
from minimoe.teacher.keep import CountedBatches, Keep

POSITIONS = 512
WARMUP = 0.1
WEIGHT_DECAY = 0.01


class Losses(NamedTuple):
    """Cross-entropy in nats a masked token."""

    training: float  # mean over all steps
    heldout: float  # of the model that was saved, on the records of the documents held out


def pretrain(
    records,
    tokenizer: str | Path,
    out: str | Path,
    *,
    layers: int,
    hidden: int,
    heads: int,
    neurons: int,
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

    The same seed gives the same weights. What is done so far lies in `checkpoints`; by default nothing is kept.
    `tracker` gets the training loss, and in the end `heldout_masked_lm_loss`.
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
    model = _without_dropout(BertForMaskedLM(config))
    batches = CountedBatches(records, tokens, seed)
    trainer = MaskedTrainer(
        model,
        arguments(
            device=device,
            seed=seed,
            epochs=epochs,
            batch=batch,
            learning_rate=learning_rate,
            warmup=WARMUP,
            weight_decay=WEIGHT_DECAY,
            log_every=log_every,
        ),
        train_dataset=records.training,
        data_collator=batches,
        callbacks=[Watch("teacher", tracker)],
    )
    loss = Keep(checkpoints or NoCheckpoints(), batches).train(trainer)
    heldout = heldout_loss(model, MaskedBatches(records, tokens, seed), batch)
    tracker.metrics({"heldout_masked_lm_loss": heldout}, step=trainer.state.global_step)
    with whole_folder(out) as temporary:
        model.save_pretrained(temporary)
        tokens.save_pretrained(temporary)
    return Losses(loss, heldout)


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


class MaskedTrainer(QuietTrainer):
    """Masked language modeling with logits at masked positions only."""

    def _load_from_checkpoint(self, resume_from_checkpoint, model=None):
        """Nothing: `Keep` does it."""

    def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):
        """Mean cross-entropy of the masked tokens of a batch."""
        labels = inputs.pop("labels")
        masked = labels != IGNORED
        states = model.bert(**inputs).last_hidden_state[masked]
        return nn.functional.cross_entropy(model.cls(states), labels[masked])


def _without_dropout(model: BertForMaskedLM) -> BertForMaskedLM:
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    return model
