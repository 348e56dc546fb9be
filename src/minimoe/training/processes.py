"""Training on several processes: records shared out, sums, gradients averaged, a large teacher's weights sharded.

Every process has all students whole, and a teacher that fits its device too. A teacher that does not fit is sharded:
`accelerate launch` with a config of FSDP says so. Every process then keeps a part of each layer's weights, and has the
whole layer only while it runs. Students are never sharded, and the results are the same.
"""

import math
import os
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from minimoe.system.errors import UserError


def sum_over_processes(value: Tensor, accelerator) -> Tensor:
    """The sum of a tensor over all processes, the same on each."""
    return value if accelerator.num_processes == 1 else accelerator.reduce(value, "sum")


def wrap_ddp(model: nn.Module, accelerator) -> nn.Module:
    """The model as all processes train it: a backward pass averages their gradients."""
    if accelerator.num_processes == 1:
        return model
    cuda = accelerator.device.type == "cuda"
    return DistributedDataParallel(
        model,
        device_ids=[accelerator.device] if cuda else None,
        forward_sync_buffers=False,  # they are constants
    )


def average_gradients(weights: Sequence[Tensor], accelerator) -> None:
    """Average the gradients of weights over all processes, in one message, where no DDP does it."""
    if accelerator.num_processes == 1:
        return
    flat = accelerator.reduce(torch.cat([weight.grad.flatten() for weight in weights]), "mean")
    parts = flat.split([weight.numel() for weight in weights])
    gradients = [weight.grad for weight in weights]
    torch._foreach_copy_(gradients, [part.view_as(own) for part, own in zip(parts, gradients, strict=True)])


def sharding_wanted(accelerator) -> bool:
    """Whether the launcher asks for a teacher that is sharded over the processes."""
    return accelerator.num_processes > 1 and os.environ.get("ACCELERATE_USE_FSDP") == "true"


class Sharded(nn.Module):
    """A model inside another module, because FSDP changes a module's class, by which transformers knows its models."""

    def __init__(self, model: nn.Module):
        super().__init__()
        self.model = model

    def forward(self, **batch):
        """As the model's."""
        return self.model(**batch)


def shard(model: nn.Module, layers: Sequence[nn.Module], accelerator) -> Sharded:
    """A frozen model with its weights sharded over the processes, layer by layer, as Accelerate's config says (FSDP 2).

    Raises:
        UserError: a config of another kind.
    """
    from accelerate import FullyShardedDataParallelPlugin
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard

    config = FullyShardedDataParallelPlugin()  # reads the environment that accelerate launch made of its config
    if config.fsdp_version != 2:
        raise UserError("runtime.launcher: expected fsdp_version: 2 in accelerate's config, got 1")
    if config.cpu_ram_efficient_loading:
        raise UserError(
            "runtime.launcher: expected fsdp_cpu_ram_efficient_loading: false in accelerate's config: with true, only "
            "the first process reads a model's weights, but every process cuts students from them"
        )
    options = {
        "mesh": init_device_mesh(accelerator.device.type, (accelerator.num_processes,)),
        "offload_policy": config.cpu_offload,
    }
    for layer in layers:
        fully_shard(layer, reshard_after_forward=config.reshard_after_forward, **options)
    return fully_shard(Sharded(model), **options)


def own_parts(records: np.ndarray, size: int, accelerator, together: int = 1) -> list[np.ndarray]:
    """This process's share of the record numbers, in parts of at most `size`, or of `together` where that is more.

    All processes have the same number of parts, because in each they wait for each other. Runs of so many numbers
    `together` are in one part, and only a step's last run is shorter.

    Raises:
        UserError: some process would have no record in a part.
    """
    processes = accelerator.num_processes
    runs = np.arange(math.ceil(len(records) / together))
    own, most = runs[accelerator.process_index :: processes], max(1, size // together)
    many = math.ceil(math.ceil(len(runs) / processes) / most)
    if len(runs) // processes < many:
        runs_of = f" in runs of {together} (relation_sequences)" if together > 1 else ""
        raise UserError(
            f"distill: {len(records)} records{runs_of}, of a step or held out, cannot be shared out to the launcher's "
            f"{processes} processes, {size} at once; choose fewer processes, or another runtime.micro_batch"
        )
    parts = [own[start : start + most] for start in range(0, len(own), most)]
    parts = parts if len(parts) == many else np.array_split(own, many)
    return [np.concatenate([records[run * together : (run + 1) * together] for run in part]) for part in parts]
