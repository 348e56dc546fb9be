"""The weights of a model and the state of its optimizer, as tensors by name that a checkpoint can hold.

`torch.distributed.checkpoint` flattens an optimizer too, but with learning rates and other numbers among the tensors,
one set for each weight; those are settings here, and a checkpoint of safetensors holds tensors alone.
"""

import torch
from torch import Tensor, nn


def state_tensors(model: nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """The weights `weight/<name>` and, such as AdamW's moments, `optimizer/<number of the weight>/<name>`."""
    tensors = {f"weight/{name}": weight for name, weight in model.named_parameters()}
    for number, state in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer/{number}/{name}": value for name, value in state.items()}
    return tensors


@torch.no_grad()
def load_state_tensors(model: nn.Module, optimizer: torch.optim.Optimizer, tensors: dict[str, Tensor]) -> None:
    """Set a model and its optimizer, made as those that were saved, to the state in `tensors`; others are ignored."""
    for name, weight in model.named_parameters():
        weight.copy_(tensors[f"weight/{name}"])
    state: dict[int, dict[str, Tensor]] = {}
    for key, tensor in tensors.items():
        if key.startswith("optimizer/"):
            _, number, name = key.split("/")
            state.setdefault(int(number), {})[name] = tensor.clone()  # a file's tensors need not be aligned in memory
    groups = optimizer.state_dict()["param_groups"]
    optimizer.load_state_dict({"state": state, "param_groups": groups})
