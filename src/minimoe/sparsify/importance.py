"""Measure the importance of a masked language model's heads, neurons and hidden dimensions.

Each element is multiplied by a mask of value one. The gradient of the loss with respect to the mask is, to first order,
the change of the loss when the element is left out (MiniDisc, arXiv 2205.14570; the measure is that of Michel et al.,
arXiv 1905.10650). The masks are applied by hooks on a stock model:

- a head's mask on its part of the context vector, before the output projection;
- a neuron's on its activation;
- a hidden dimension's, one for the whole model, on the output of the embeddings and, in every sub-layer, on its
  output before the residual and again after the LayerNorm.

Masks stay one and nothing is really left out, so LayerNorms compute their statistics over all dimensions.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import AutoModelForMaskedLM, PreTrainedModel
from transformers.utils import logging

from minimoe.hub.loading import load_config, load_model
from minimoe.models.sparsity import Importance
from minimoe.system.errors import UserError

logging.disable_progress_bar()  # of loading weights
logging.set_verbosity_error()  # missing weights are reported by `load_masked_lm`
# the module of the language model head
HEADS = {"bert": "cls", "camembert": "lm_head", "roberta": "lm_head", "xlm-roberta": "lm_head"}


def load_masked_lm(folder: str | Path) -> PreTrainedModel:
    """The masked language model in `folder`, in fp32.

    Raises `UserError` where it cannot be loaded, is of a kind without a row in `HEADS`, or lacks weights, which
    transformers would initialise at random.
    """
    kind = load_config(folder).model_type
    if kind not in HEADS:
        raise UserError(f"{folder}: expected a teacher of one of the kinds {', '.join(HEADS)}; got {kind!r}")
    # eager: the kernels for long sequences have gradients that differ from run to run on a GPU
    model, missing = load_model(AutoModelForMaskedLM, folder, dtype=torch.float32, attn_implementation="eager")
    if missing:
        raise UserError(
            f"{folder}: expected a teacher with its masked language modeling head, but {len(missing)} weights are "
            f"missing, {missing[0]} among them; choose a model saved with that head"
        )
    return model


def measure(
    model: PreTrainedModel,
    batches: Iterable[dict[str, Tensor]],
    tracker,
    *,
    done: int = 0,
    sums: Importance | None = None,
    keep: Callable[[int, Importance], None] = lambda own, sums: None,
    accelerator=None,
) -> Importance:
    """Mean over batches of |∂loss/∂mask|, divided by its L2 norm: per layer, and for hidden dimensions over the model.

    Sums are in fp64, so that the number of processes hardly changes the fp32 result.

    Args:
        model: of a kind in `HEADS`; it runs in eval mode, and its mode is restored.
        batches: this process's share: input_ids, attention_mask, token_type_ids and labels [B, T]; a label below 0
            is not predicted.
        tracker: gets each batch's loss.
        done: batches measured before a restart, by all processes.
        sums: over those batches, in one process; None in the others.
        keep: called after every batch with the number that this process has measured, and the sums so far.
        accelerator: of several processes; default: there is one.

    Raises `UserError` on a NaN or infinite loss.
    """
    masks, processes = _masks(model), accelerator.num_processes if accelerator else 1
    sums = sums or Importance(*(torch.zeros_like(mask, dtype=torch.float64) for mask in masks))
    own = 0
    with _masked(model, masks):
        for own, batch in enumerate(batches, 1):
            number = done + own * processes
            loss = _loss(model, **{name: value.to(model.device) for name, value in batch.items()})
            if not loss.isfinite():
                raise UserError(
                    f"sparsify: the masked language modeling loss became {loss.item()} in batch {number}; "
                    "check the teacher's weights, and that its tokenizer made the records"
                )
            tracker.metrics({"masked_lm_loss": loss.item()}, step=number)
            for total, gradient in zip(sums, torch.autograd.grad(loss, masks), strict=True):
                total += gradient.abs()
            keep(own, sums)
    if accelerator:
        own = int(accelerator.reduce(torch.tensor(own, device=model.device), "sum"))
        sums = Importance(*(accelerator.reduce(total, "sum") for total in sums))
    return Importance(*(_normalised(total / (done + own)).to("cpu", model.dtype) for total in sums))


def _masks(model: PreTrainedModel) -> Importance:
    config = model.config
    layers = config.num_hidden_layers
    shapes = (layers, config.num_attention_heads), (layers, config.intermediate_size), (config.hidden_size,)
    return Importance(*(torch.ones(s, dtype=model.dtype, device=model.device, requires_grad=True) for s in shapes))


@contextmanager
def _masked(model: PreTrainedModel, masks: Importance) -> Iterator[None]:
    """A context in which `model` is in eval mode and its elements are multiplied by `masks`."""
    training = model.training
    model.eval()
    hooks = [_mask_output(model.base_model.embeddings.LayerNorm, masks.hidden)]
    for number, layer in enumerate(model.base_model.encoder.layer):
        hooks.append(_mask_input(layer.attention.output.dense, masks.head, number))
        hooks.append(_mask_input(layer.output.dense, masks.neuron, number))
        for sublayer in (layer.attention.output, layer.output):
            hooks += [_mask_output(sublayer.dense, masks.hidden), _mask_output(sublayer.LayerNorm, masks.hidden)]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
        model.train(training)


def _mask_output(module: nn.Module, mask: Tensor):
    return module.register_forward_hook(lambda _, _inputs, output: output * mask)


def _mask_input(module: nn.Linear, masks: Tensor, layer: int):
    """Multiply the input [B, T, n·size] of n elements by the layer's row of `masks` [L, n]."""
    size = module.in_features // masks.shape[-1]
    return module.register_forward_pre_hook(lambda _, inputs: (inputs[0] * masks[layer].repeat_interleave(size),))


def _loss(model: PreTrainedModel, labels: Tensor, **batch: Tensor) -> Tensor:
    """Mean cross-entropy in nats; logits are computed at the predicted positions only."""
    predicted = labels >= 0
    states = model.base_model(**batch).last_hidden_state[predicted]
    return functional.cross_entropy(model.get_submodule(HEADS[model.config.model_type])(states), labels[predicted])


def _normalised(importance: Tensor) -> Tensor:
    return importance / (importance.norm(dim=-1, keepdim=True) + 1e-17)
