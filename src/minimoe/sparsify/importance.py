"""Measure the importance of an encoder's heads, neurons and hidden dimensions.

Each element is multiplied by a mask of value one. The gradient of a criterion with respect to the mask is, to first
order, the change of the criterion when the element is left out (MiniDisc, arXiv 2205.14570, by the masked language
modeling loss; the measure is that of Michel et al., arXiv 1905.10650). The masks are applied by hooks on a stock model:

- a head's mask on its part of the context vector, before the output projection;
- a neuron's on its activation;
- a hidden dimension's, one for the whole model, on the output of the embeddings and, in every sub-layer, on its
  output before the residual and again after the LayerNorm.

Masks stay one and nothing is really left out, so LayerNorms compute their statistics over all dimensions.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from minimoe.models.sparsity import Importance
from minimoe.sparsify.criteria import masked_lm_loss
from minimoe.system.errors import UserError


def measure(
    model: PreTrainedModel,
    batches: Iterable[dict[str, Tensor]],
    tracker,
    *,
    criterion: Callable[..., Tensor] = masked_lm_loss,
    done: int = 0,
    sums: Importance | None = None,
    keep: Callable[[int, Importance], None] = lambda own, sums: None,
    accelerator=None,
) -> Importance:
    """Mean over batches of |∂criterion/∂mask|, of L2 norm 1: per layer, and for hidden dimensions over the model.

    Sums are in fp64, so that the number of processes hardly changes the fp32 result.

    Args:
        model: of a kind in `criteria.HEADS`; it runs in eval mode, and its mode is restored.
        batches: this process's share, for the criterion.
        tracker: gets each batch's value of the criterion.
        criterion: a function of the model and a batch: `masked_lm_loss` or `state_product`.
        done: batches measured before a restart, by all processes.
        sums: over those batches, in one process; None in the others.
        keep: called after every batch with the number that this process has measured, and the sums so far.
        accelerator: of several processes; default: there is one.

    Raises `UserError` on a NaN or infinite value.
    """
    masks, processes = _masks(model), accelerator.num_processes if accelerator else 1
    sums = sums or Importance(*(torch.zeros_like(mask, dtype=torch.float64) for mask in masks))
    own = 0
    with _masked(model, masks):
        for own, batch in enumerate(batches, 1):
            number = done + own * processes
            value = criterion(model, **{name: tensor.to(model.device) for name, tensor in batch.items()})
            if not value.isfinite():
                raise UserError(
                    f"sparsify: {criterion.__name__} became {value.item()} in batch {number}; "
                    "check the teacher's weights, and that its tokenizer made the records"
                )
            tracker.metrics({criterion.__name__: value.item()}, step=number)
            for total, gradient in zip(sums, torch.autograd.grad(value, masks), strict=True):
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


def _normalised(importance: Tensor) -> Tensor:
    return importance / (importance.norm(dim=-1, keepdim=True) + 1e-17)
