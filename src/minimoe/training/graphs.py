"""Run the passes of a training step as CUDA graphs: a GPU repeats what it was given once, and the host starts one call.

Of a step of small students the host takes longer to start the kernels than the GPU to run them. A graph is recorded for
each shape of a batch; it reads and writes at fixed addresses, so a batch is copied to where the first one lay, numbers
are tensors, and gradients are added to tensors that stay.

The passes of a part of a step are cut into sections, which draw dropout and noise from seeds of their own: a generator
yields the number of a section before it draws anything for it. A seed is set before a graph runs, not within one, so
each section is a graph.
"""

import sys
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_flatten, tree_map  # private, as in torch 2.13

from minimoe.models.routing import Router
from minimoe.training.draws import drawing
from minimoe.training.processes import sharding_wanted

WARM = 3  # times that a shape runs as usual first: libraries choose their kernels, layers are compiled
MOST = 32  # shapes with graphs; of further ones, which are rare, none is recorded


def run_sections(sections: Iterator[int], device: torch.device, key: tuple[int, ...] | None) -> None:
    """Run sections as usual; each draws from the seed of `key` and its number, or, without a key, as torch goes on."""
    number = next(sections, None)
    while number is not None:
        number = _draw(lambda: next(sections, None), device, key, number)


def _draw(section: Callable, device: torch.device, key: tuple[int, ...] | None, number: int):
    if key is None:
        return section()
    with drawing(device, *key, number):
        return section()


def capturable(model: nn.Module, accelerator, precision: str) -> bool:
    """Whether the training steps of a model may be recorded: on a GPU, where nothing waits for the host.

    The products of experts wait for it but in bf16, and their load balance asks other processes in the forward pass, as
    a sharded teacher does for its weights.
    """
    if accelerator.device.type != "cuda" or sharding_wanted(accelerator):
        return False
    experts = any(isinstance(module, Router) for module in model.modules())
    return not experts or (precision == "bf16" and accelerator.num_processes == 1)


class Recorded(NamedTuple):
    """The passes of one shape of arguments."""

    arguments: list  # tensors where the graphs read them
    replays: list[tuple[int | None, Callable]]  # of each section: its number (None: before the first), and what runs it


class Graphs:
    """Runs sections as graphs, of each shape from its fourth time on.

    Args:
        device: the GPU.
    """

    def __init__(self, device: torch.device):
        self.device = device
        self._seen: Counter = Counter()
        self._recorded: dict[tuple, Recorded] = {}
        self._pool = None  # memory of all graphs: of different shapes they never run at once
        self._failed = False

    def __call__(self, body: Callable[..., Iterator[int]], *arguments, key: tuple[int, ...] | None = None) -> None:
        """Run `body(*arguments)`, a generator of sections, always the same function of arguments of one shape.

        Args:
            arguments: nested tuples, lists and dicts of tensors on the device, numbers, and None.
            key: of the sections' draws, without their numbers.
        """
        values, shape = tree_flatten(arguments)
        signature = (shape, *(_kind(value) for value in values))
        self._seen[signature] += 1
        if signature not in self._recorded and self._due(signature):
            self._record(signature, body, arguments)
        if signature not in self._recorded:
            return run_sections(body(*arguments), self.device, key)
        recorded = self._recorded[signature]
        for fixed, value in zip(recorded.arguments, values, strict=True):
            if isinstance(value, Tensor):
                fixed.copy_(value, non_blocking=True)
            elif value is not None:
                fixed.fill_(value)
        for number, replay in recorded.replays:
            replay() if number is None else _draw(replay, self.device, key, number)

    def _due(self, signature: tuple) -> bool:
        return self._seen[signature] > WARM and len(self._recorded) < MOST and not self._failed

    def _record(self, signature: tuple, body: Callable, arguments: tuple) -> None:
        """Record the sections, which does not run them; where it fails, everything runs as usual from now on."""
        fixed = tree_map(partial(_fixed, device=self.device), arguments)
        sections, replays, number = body(*fixed), [], None
        self._pool = self._pool or pool()
        try:
            while True:
                following, replay = record(lambda: next(sections, None), self._pool)
                replays.append((number, replay))
                number = following
                if number is None:
                    break
        except RuntimeError as error:
            self._failed = True
            reason = str(error).partition("\n")[0]
            print(f"a step cannot be recorded as a CUDA graph and runs without ({reason})", file=sys.stderr)
            return
        self._recorded[signature] = Recorded(tree_flatten(fixed)[0], replays)


def pool():
    """Memory that graphs share."""
    return torch.cuda.graph_pool_handle()


def record(section: Callable, memory) -> tuple:
    """What the section returns, and a function that runs what it gave the GPU, at the same addresses."""
    graph = torch.cuda.CUDAGraph()
    # the watchdog of NCCL, a thread, would break a recording that counts what other threads do
    with torch.cuda.graph(graph, pool=memory, capture_error_mode="thread_local"):
        result = section()
    return result, graph.replay


def _kind(value) -> tuple:
    """What must be the same for the same graph."""
    if isinstance(value, Tensor):
        return tuple(value.shape), value.dtype
    return (type(value),)


def _fixed(value, device: torch.device):
    """A copy of a tensor, or a number as a tensor, that graphs can read."""
    if isinstance(value, Tensor):
        return value.clone()
    return value if value is None else torch.full((), value, dtype=torch.float64, device=device)
