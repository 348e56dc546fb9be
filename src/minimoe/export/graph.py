"""Write a model as ONNX graphs: onnx/model.onnx in fp32, and onnx/model_int8.onnx with weights in 8 bits.

transformers traces the model and onnxruntime quantizes the graph. Both say of themselves that they may change: what is
relied on is pinned by tests/export. In between, one thing is done here: the weight of experts [E, in, out], which the
traced graph splits at every call, is split once, so that every expert's matrix is a weight by itself. Only such are
quantized.

Batch size and tokens are free. A size that the trace would freeze is an error there.
"""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from io import StringIO
from pathlib import Path

import numpy as np
import onnx_ir
import onnxruntime
import torch
from onnx_ir.passes.common import ClearMetadataAndDocStringPass
from onnxscript import optimizer
from torch import Tensor, nn
from transformers.exporters import OnnxConfig, OnnxExporter, OnnxRuntimeDynamicConfig, OnnxRuntimeQuantizer
from transformers.exporters.configs import ExportFormat

from minimoe.system.errors import UserError, readable, refusal

FP32, INT8 = "onnx/model.onnx", "onnx/model_int8.onnx"  # names that transformers.js and sentence-transformers know
LARGEST = 1 << 30  # bytes of weights in one file with the graph, which may have 2 GiB; of larger models they lie beside
REMEDY = "install the versions in requirements.txt, or take the model out of export.models"
ANY = 1 << 62  # bytes of a weight that is computed once, and not at every call


def write(model: nn.Module, inputs: dict[str, Tensor], folder: Path) -> None:
    """Write both graphs of a model into a folder; `UserError` where it cannot be traced, quantized or saved.

    Args:
        model: in evaluation, with its config; it returns tensors by name.
        inputs: a batch [B, T] of each, B and T above 1; their names and the outputs' are the graph's.
    """
    free = dict.fromkeys(range(2), torch.export.Dim.DYNAMIC)
    config = OnnxConfig(dynamic_shapes=dict.fromkeys(inputs, free))
    with _quietly(), _explained(model.config.name_or_path):
        graph = OnnxExporter().export(model, inputs, config).program
        _split_experts(graph)
        ClearMetadataAndDocStringPass()(graph)  # where in which file on this machine each node comes from
        _save(graph, folder / FP32)
        _save(_quantized(graph), folder / INT8)


def _split_experts(model: onnx_ir.Model) -> None:
    """Replace each split of a weight by the parts."""
    graph = model.graph
    _fold(model)  # the experts' weights are transposed before they are split
    for node in list(graph):
        whole = node.inputs[0].const_value if node.op_type == "Split" else None
        if whole is None:
            continue
        parts = np.split(whole.numpy(), len(node.outputs), axis=node.attributes.get_int("axis", 0))
        for output, part in zip(node.outputs, parts, strict=True):
            tensor = onnx_ir.tensor(part, name=f"{output.name}_weight")
            weight = onnx_ir.Value(name=tensor.name, const_value=tensor, shape=tensor.shape)
            weight.dtype = tensor.dtype
            graph.register_initializer(weight)
            output.replace_all_uses_with(weight)
        graph.remove(node, safe=True)
    _fold(model)


def _fold(model: onnx_ir.Model) -> None:
    optimizer.fold_constants(model, input_size_limit=ANY, output_size_limit=ANY)
    optimizer.remove_unused_nodes(model)


def _quantized(model: onnx_ir.Model) -> onnx_ir.Model:
    """Linear layers, experts and embeddings in int8, one scale a column; activations are quantized as they come.

    Left in fp32 is what is traced as Gemm: routers, since a token must not change its expert by rounding, the experts'
    biases and the layers of a head on one token. Weights have 7 bits, as onnxruntime advises: with 8, processors
    without VNNI instructions overflow.
    """
    # the quantizer makes a MatMul of this name of each
    left = [f"{node.name}_MatMul" for node in model.graph if node.op_type == "Gemm"]
    config = OnnxRuntimeDynamicConfig(per_channel=True, reduce_range=True, nodes_to_exclude=left)
    return OnnxRuntimeQuantizer(config).quantize(model, {}, ExportFormat.ONNX)


def _save(model: onnx_ir.Model, path: Path) -> None:
    path.parent.mkdir(exist_ok=True)
    size = sum(weight.const_value.nbytes for weight in model.graph.initializers.values())
    onnx_ir.save(model, path, external_data=f"{path.name}_data" if size > LARGEST else None)


@contextmanager
def _explained(name: str) -> Iterator[None]:
    """Errors of the libraries as one line; a full disk is told as such, since other versions do not help."""
    with readable(f"{name}: cannot be exported to ONNX", REMEDY):
        try:
            yield
        except Exception as error:
            if line := refusal(error):
                raise UserError(line) from None
            raise


@contextmanager
def _quietly() -> Iterator[None]:
    """Without the exporters' progress, and their warnings about themselves."""
    disabled = logging.root.manager.disable
    logging.disable(logging.WARNING)
    onnxruntime.set_default_logger_severity(3)
    try:
        with redirect_stdout(StringIO()), warnings.catch_warnings(action="ignore"):
            yield
    finally:
        logging.disable(disabled)
