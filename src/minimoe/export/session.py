"""A model that onnxruntime computes, called as a model of transformers is."""

from pathlib import Path

import onnxruntime
import torch
from torch import Tensor

from minimoe.hub.loading import load_config


class OnnxModel:
    """A graph in a folder of an exported model, on the CPU.

    Args:
        folder: with the model's config.
        graph: the graph's file in it.
        threads: cores that it computes on.
    """

    device = torch.device("cpu")

    def __init__(self, folder: Path, graph: str, threads: int):
        self.path, self.config = folder / graph, load_config(folder)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 3  # errors
        self.session = onnxruntime.InferenceSession(self.path, options, providers=["CPUExecutionProvider"])
        self.inputs = [given.name for given in self.session.get_inputs()]
        self.outputs = [given.name for given in self.session.get_outputs()]

    def eval(self) -> "OnnxModel":
        """Itself: it is never in training."""
        return self

    def __call__(self, input_ids: Tensor, **inputs: Tensor) -> "Outputs":
        """Inputs [B, T], zeros where the graph takes one that is not given → outputs."""
        zeros = torch.zeros_like(input_ids)
        given = {"input_ids": input_ids, **inputs}
        feed = {name: given.get(name, zeros).numpy() for name in self.inputs}
        made = self.session.run(None, feed)
        return Outputs(zip(self.outputs, map(torch.from_numpy, made), strict=True))


class Outputs(dict):
    """Outputs by name, which are attributes too."""

    __getattr__ = dict.__getitem__
