"""Finetune a model once, for one learning rate and seed, and keep its best epoch on the dev set.

The Trainer trains; what is kept is the best state on the dev set, in memory, because for a small model writing
checkpoints would take longer than its training. Heads are the model's own for sequence and token classification
(BERT: Linear, tanh, dropout, Linear on [CLS]; dropout, Linear on every piece). Head, order and dropout are drawn
from the run's seed alone.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import torch
from torch import Tensor
from transformers import (
    AutoModelForSequenceClassification,
    AutoModelForTokenClassification,
    TrainerCallback,
    set_seed,
)

import minimoe.models  # noqa: F401  registers the students
from minimoe.finetune.data import Batches, answers
from minimoe.finetune.metrics import scores
from minimoe.finetune.teaching import Teaching
from minimoe.finetune.teaching import loss as taught_loss
from minimoe.finetune.trainer import QuietTrainer, Watch, arguments
from minimoe.hub.loading import load_model as load_from
from minimoe.system.errors import UserError
from minimoe.tasks.task import Task
from minimoe.training.optim import autocast

EVALUATION_BATCH = 64
BESIDE = {"labels", "taught"}  # of a batch, what is not the model's input
EXAMPLES_BETWEEN = 5000  # a larger training set is evaluated several times an epoch,
MOST_A_EPOCH = 10  # but not more often than this


@dataclass
class FinetuneRun:
    """The result of one finetuning run."""

    seed: int
    learning_rate: float
    epoch: float  # the best one; a fraction where it was measured within an epoch
    score: float  # the paper's metric on the dev set
    state: dict[str, Tensor] = field(repr=False)  # on the CPU
    scores: dict[str, dict[str, float]] = field(default_factory=dict)  # results column → metric → value
    # results column → answers in the order of the task's file, as `predictions.given` has them
    predictions: dict[str, Tensor] = field(default_factory=dict, repr=False)


def load_model(folder: str | Path, task: Task, seed: int):
    """The encoder in `folder` under a new head for `task`, drawn from `seed`."""
    auto = AutoModelForTokenClassification if task.kind == "tagging" else AutoModelForSequenceClassification
    set_seed(seed)
    model, missing = load_from(auto, folder, dtype=torch.float32, **_head(task))
    encoder = f"{model.base_model_prefix}."
    missing = [key for key in missing if key.startswith(encoder) and ".pooler." not in key]
    if missing:
        raise UserError(f"{folder}: {len(missing)} weights of the encoder are missing, {missing[0]} among them")
    return model


def load_finetuned(folder: str | Path, task: Task):
    """A model that was finetuned on `task`, with its head."""
    auto = AutoModelForTokenClassification if task.kind == "tagging" else AutoModelForSequenceClassification
    model, missing = load_from(auto, folder, dtype=torch.float32)
    outputs = model.config.num_labels
    if missing or outputs != max(1, len(task.labels)):
        what = f"{missing[0]} is missing" if missing else f"it has {outputs} outputs"
        raise UserError(f"{folder}: expected a model finetuned on {task.name}, but {what}; run its cell again")
    return model


def _head(task: Task) -> dict:
    """What the config says about the head."""
    if task.kind == "regression":
        return {"num_labels": 1, "problem_type": "regression"}
    labels = {"id2label": dict(enumerate(task.labels)), "label2id": {n: i for i, n in enumerate(task.labels)}}
    losses = {"classification": "single_label_classification", "multilabel": "multi_label_classification"}
    return {**labels, "problem_type": losses[task.kind]} if task.kind in losses else labels


@torch.inference_mode()
def predict(model, batches: Batches, task: Task, precision: str = "fp32") -> list:
    """The model's answer to each example, computed in fp32 or bf16."""
    examples, made = batches.examples, []
    for part, logits, batch in _outputs(model, batches, precision):
        made += answers(logits.cpu(), batch["labels"].cpu(), task, examples.words[part], examples.gold[part])
    return made


@torch.inference_mode()
def all_logits(model, batches: Batches, precision: str = "fp32") -> Tensor:
    """The model's logits of all examples [examples, C], for tagging of all their pieces, one after another."""
    by_piece = batches.labels is None
    found = [
        logits[batch["attention_mask"].bool()] if by_piece else logits
        for _, logits, batch in _outputs(model, batches, precision)
    ]
    return torch.cat(found)


def _outputs(model, batches: Batches, precision: str) -> Iterator[tuple[slice, Tensor, dict[str, Tensor]]]:
    """In evaluation: which examples, their logits in fp32, and the batch."""
    model.eval()
    for start in range(0, len(batches), EVALUATION_BATCH):
        part = slice(start, start + EVALUATION_BATCH)
        batch = batches(range(len(batches))[part])
        with autocast(model.device, precision):
            logits = model(**{key: values for key, values in batch.items() if key not in BESIDE}).logits
        yield part, logits.float(), batch


class BestOnDev(TrainerCallback):
    """Scores the dev set at intervals, keeps the best state, and stops after `patience` epochs without gain."""

    def __init__(self, answer: Callable, gold: list, metrics: tuple[str, ...], patience: int, tracker, prefix: str):
        self.answer, self.gold, self.metrics, self.patience = answer, gold, metrics, patience
        self.tracker, self.prefix = tracker, prefix
        self.score, self.epoch, self.state = -math.inf, 0.0, {}

    def on_step_end(self, args, state, control, model, **kwargs):
        """Score at the marks of an epoch, which the last step of an epoch always is."""
        steps = state.max_steps // int(args.num_train_epochs)
        times = min(MOST_A_EPOCH, max(1, steps * args.per_device_train_batch_size // EXAMPLES_BETWEEN), steps)
        if state.global_step % steps not in {steps * i // times for i in range(times)}:
            return
        values = scores(self.metrics, self.gold, self.answer(model))
        self.tracker.metrics({f"{self.prefix}dev_{key}": v for key, v in values.items()}, step=state.global_step)
        score = values[self.metrics[0]]
        if score > self.score:
            self.score, self.epoch = score, state.epoch
            self.state = {key: value.detach().to("cpu", copy=True) for key, value in model.state_dict().items()}
        elif state.epoch - self.epoch >= self.patience:
            control.should_training_stop = True


def train(
    model,
    task: Task,
    sets: dict[str, Batches],
    *,
    patience: int,
    label: str,
    tracker,
    precision: str = "fp32",
    captured: bool = False,
    teaching: Teaching | None = None,
    prefix: str = "",
    **settings,
) -> FinetuneRun:
    """Finetune `model` on sets["train"] and return its best state on sets["dev"].

    Args:
        patience: epochs without gain before it stops.
        label: shown with the progress. prefix: of the names under which `tracker` gets the curves.
        precision: fp32 or bf16, of the model's forward pass; weights, optimizer and loss are fp32.
        captured: whether steps run as CUDA graphs, where they can.
        teaching: where a teacher's logits are among the batches of sets["train"], how they count.
        settings: what `trainer.arguments` takes: epochs (at most), batch, learning rate, seed and more.
    """
    made = arguments(**settings)
    answer = partial(predict, batches=sets["dev"], task=task, precision=precision)
    best = BestOnDev(answer, sets["dev"].examples.gold, task.metrics, patience, tracker, prefix)
    loss = None
    if teaching:
        about = {"kind": task.kind, "temperature": teaching.temperature, "weight": teaching.weight}
        loss = partial(taught_loss, **about)
    trainer = QuietTrainer(
        model,
        made,
        train_dataset=range(len(sets["train"])),
        data_collator=sets["train"],
        callbacks=[Watch(label, tracker, prefix), best],
        precision=precision,
        captured=captured,
        taught_loss=loss,
    )
    trainer.train()
    return FinetuneRun(made.seed, made.learning_rate, round(best.epoch, 2), best.score, best.state)
