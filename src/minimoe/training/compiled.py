"""Compile the layers of encoders with torch.compile: a GPU then takes a layer in a few fused kernels.

Layers are compiled one by one ("regional compilation"), so that those of one shape share their code. Each batch size
and length has code of its own: code for all lengths would depend on which came first, and so on where a run was
interrupted. Batches of records nearly always have the longest one's length.
"""

import os
import shutil
from collections.abc import Iterable

import torch
from torch import nn

from minimoe.system.errors import UserError

# Versions of a layer's code that are kept, for each shape of layer, batch size and length, in training and evaluation.
# By PyTorch's default of 8 the layers of the ninth would run uncompiled. This setting is private, as in torch
# 2.13; so is the one by which a layer with hooks does not run the code of one of its shape without any.
VERSIONS = 256


def compiles(setting: str, device: str) -> bool:
    """Whether encoders are compiled: `runtime.compile` is auto, never or always; auto means on a GPU.

    Raises:
        UserError: always, on a CPU without a C++ compiler.
    """
    if setting == "always" and device == "cpu" and not shutil.which(os.environ.get("CXX", "g++")):
        raise UserError(
            "runtime.compile: expected a C++ compiler for always on a CPU, found no g++; install it, or set auto"
        )
    return setting == "always" or (setting == "auto" and device == "cuda")


def compile_layers(layers: Iterable[nn.Module], backend: str = "inductor") -> None:
    """Have each layer compiled when it is first called. Weights keep their names.

    Results differ from uncompiled ones by rounding, and dropout draws other numbers, though from the same seeds.
    """
    torch._dynamo.config.recompile_limit = VERSIONS
    torch._dynamo.config.skip_nnmodule_hook_guards = False
    for layer in layers:
        layer.compile(backend=backend, dynamic=False)
