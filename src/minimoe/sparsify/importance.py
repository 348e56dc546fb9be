"""How much a masked language model needs each of its heads, neurons and hidden dimensions.

Each element is multiplied by a mask of one, and the gradient of the loss with respect to that mask says what leaving
the element out would change, to first order (MiniDisc, arXiv 2205.14570; the measure is Michel et al.'s, arXiv
1905.10650). The masks are hooks on a stock model:

- a head's on its part of the context vector, before the output projection;
- a neuron's on its activation;
- a hidden dimension's, one for the whole model, on the output of the embeddings and, in every sub-layer, on its
  output before the residual and again after the LayerNorm.

Masks are one, never zero, so that no LayerNorm has to leave a dimension out of its statistics.
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
logging.set_verbosity_error()  # what is missing is an error of ours
HEADS = {"bert": "cls", "roberta": "lm_head", "xlm-roberta": "lm_head"}  # where a kind keeps its language model head


def load_masked_lm(folder: str | Path) -> PreTrainedModel:
    """The masked language model in `folder`, in fp32.

    Raises `UserError` where it cannot be loaded, is of a kind without a row in `HEADS`, or lacks weights:
    transformers would make a head that is not there up.
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
    """Mean over batches of |∂loss/∂mask|, divided by its L2 norm: per layer, and for hidden dimensions once.

    Sums are taken in 64 bits, so that in 32 the result hardly depends on how many processes share the batches out.

    Args:
        model: one of `HEADS`; it runs in eval mode and is left as it was.
        batches: those of this process: input_ids, attention_mask, token_type_ids and labels [B, T]; a label below 0
            is not predicted.
        tracker: gets each batch's loss.
        done: batches that were measured before, by all.
        sums: over those, in one process; in the others nothing.
        keep: is told how many batches this process has measured now, and the sums over them and `sums`.
        accelerator: knows the other processes; default: there are none.

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
    """Within the block `model` is in eval mode, and its elements are multiplied by `masks`."""
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
