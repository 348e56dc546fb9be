"""Compile the layers of encoders with torch.compile: a GPU then takes a layer in a few fused kernels.

Layers are compiled one by one ("regional compilation"), so that those of one shape share their code and a round begins
within a minute. On a CPU it does not pay: kernels start at once there, and large products are most of a step.
"""

import os
import shutil
from collections.abc import Iterable

import torch
from torch import nn

from minimoe.system.errors import UserError

# kept versions of a layer's code: for each shape of layer, training and evaluation, lengths that are fixed or vary
VERSIONS = 64


def compiles(setting: str, device: str) -> bool:
    """Whether encoders are compiled: `runtime.compile` is auto, never or always; auto means on a GPU.

    Raises:
        UserError: always, on a CPU without a C++ compiler.
    """
    if setting == "always" and device == "cpu" and not shutil.which(os.environ.get("CXX", "g++")):
        raise UserError(
            "runtime.compile: expected a C++ compiler for always on a CPU, found no g++; install it, or auto"
        )
    return setting == "always" or (setting == "auto" and device == "cuda")


def compile_layers(layers: Iterable[nn.Module], backend: str = "inductor") -> None:
    """Have each layer compiled when it is first called. Weights keep their names, and results differ by rounding.

    Dropout inside draws from PyTorch's generators, as ever, though other numbers than uncompiled.
    """
    torch._dynamo.config.recompile_limit = max(torch._dynamo.config.recompile_limit, VERSIONS)
    for layer in layers:
        layer.compile(backend=backend)
