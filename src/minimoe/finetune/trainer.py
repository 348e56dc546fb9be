"""Hugging Face's Trainer without what is not used here: its checkpoints, reports and printed logs."""

import math
import tempfile
from collections.abc import Callable, Iterator

import torch
from torch import Tensor
from tqdm import tqdm
from transformers import PrinterCallback, Trainer, TrainerCallback, TrainingArguments
from transformers.utils import logging

from minimoe.system.errors import UserError
from minimoe.training.graphs import Graphs, capturable
from minimoe.training.optim import autocast, deterministic

logging.disable_progress_bar()  # of loading and saving weights


class QuietTrainer(Trainer):
    """A Trainer that prints nothing; what there is to say, `Watch` says.

    Args:
        precision: of the model's forward pass, fp32 or bf16. Autocast computes losses in fp32 under either.
        captured: whether steps run as CUDA graphs, where they can.
        taught_loss: from logits, labels and a teacher's logits to the loss, in place of the model's own.
    """

    def __init__(
        self, *args, precision: str = "fp32", captured: bool = False, taught_loss: Callable | None = None, **kwargs
    ):
        super().__init__(*args, **kwargs)
        self.precision, self.taught_loss = precision, taught_loss
        self.remove_callback(PrinterCallback)
        self._graphs = None
        if captured and capturable(self.model, self.accelerator, precision):
            self._graphs = Graphs(self.args.device)
            self._weights = [weight for weight in self.model.parameters() if weight.requires_grad]
            self._gradients = [torch.zeros_like(weight) for weight in self._weights]
            self._loss = torch.zeros((), device=self.args.device)

    def compute_loss(self, model, inputs, *args, **kwargs):
        """The model's own loss, or `taught_loss`."""
        if self.taught_loss is None:
            return super().compute_loss(model, inputs, *args, **kwargs)
        given = {key: values for key, values in inputs.items() if key not in ("labels", "taught")}
        return self.taught_loss(model(**given).logits, inputs["labels"], inputs["taught"])

    def training_step(self, model, inputs, num_items_in_batch=None) -> Tensor:
        """The loss of a batch, whose gradients it adds."""
        if self._graphs is None:
            return super().training_step(model, inputs, num_items_in_batch)
        for weight, gradient in zip(self._weights, self._gradients, strict=True):
            weight.grad = gradient  # of which the Trainer lets go after every step
        self._graphs(self._passes, inputs, num_items_in_batch)
        return self._loss

    def _passes(self, inputs, count) -> Iterator[int]:
        """The passes of a step, in the form that graphs take."""
        torch._foreach_zero_(self._gradients)
        yield 0
        self._loss.copy_(super().training_step(self.model, inputs, count))

    def compute_loss_context_manager(self):
        """The context of the forward pass and the loss."""
        return autocast(self.args.device, self.precision)


def arguments(
    *,
    device: str,
    seed: int,
    epochs: int,
    batch: int,
    learning_rate: float,
    warmup: float,
    weight_decay: float,
    log_every: int,
) -> TrainingArguments:
    """Linear warm-up and decay, AdamW, one device, one seed for everything.

    Args:
        device: cpu or cuda.
        batch: sequences a step.
        warmup: share of the steps.
        log_every: steps between two logged losses; changes no result.
    """
    deterministic(torch.device(device))
    return OneDevice(
        output_dir=tempfile.gettempdir(),  # asked for, and not written to
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
        use_cpu=device == "cpu",
        seed=seed,
        data_seed=seed,
        num_train_epochs=epochs,
        per_device_train_batch_size=batch,
        learning_rate=learning_rate,
        weight_decay=weight_decay,
        lr_scheduler_type="linear",
        warmup_steps=min(warmup, 1 - 1e-9),  # below 1 it is a share, from 1 on a number of steps
        logging_steps=log_every,
        logging_nan_inf_filter=False,
        remove_unused_columns=False,
        dataloader_pin_memory=False,  # batches are on the device already
    )


class OneDevice(TrainingArguments):
    """One GPU of several: with all of them, the Trainer would multiply the batch by their number."""

    @property
    def n_gpu(self) -> int:
        """Of GPUs, those that are used: at most one."""
        return min(super().n_gpu, 1)


class Watch(TrainerCallback):
    """Shows progress, records losses with the tracker, and raises `UserError` on a NaN loss."""

    def __init__(self, label: str, tracker, prefix: str = ""):
        self.label, self.tracker, self.prefix = label, tracker, prefix

    def on_train_begin(self, args, state, control, **kwargs):
        """Open the bar."""
        self.bar = tqdm(total=state.max_steps, desc=self.label, unit="step", leave=False)

    def on_step_end(self, args, state, control, **kwargs):
        """Move the bar."""
        self.bar.update()

    def on_train_end(self, args, state, control, **kwargs):
        """Close the bar."""
        self.bar.close()

    def on_log(self, args, state, control, logs, **kwargs):
        """Record the training loss."""
        if "loss" not in logs:
            return
        if not math.isfinite(logs["loss"]):
            raise UserError(
                f"{self.label}: the training loss became {logs['loss']} before step {state.global_step}; "
                f"lower its learning rate, {args.learning_rate:g}"
            )
        self.bar.set_postfix(loss=f"{logs['loss']:.3f}", refresh=False)
        self.tracker.metrics({f"{self.prefix}train_loss": logs["loss"]}, step=state.global_step)
