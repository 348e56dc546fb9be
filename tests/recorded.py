"""A stand-in for a CUDA graph on the CPU: what is recorded is not run, and runs again at the same addresses.

As on a GPU: results of a recording are garbage (here NaN) until it is replayed, what the host looks at is an error, and
the host's numbers stay what they were when it was recorded.
"""

from types import SimpleNamespace

import pytest
import torch
from torch import Tensor
from torch.nn import functional
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from minimoe.models.dropout import LEVELS
from minimoe.training import graphs


class Recording(TorchDispatchMode):
    """Operations in their order, with the tensors that they read and write."""

    def __init__(self):
        super().__init__()
        self.calls = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        """Take down an operation; one that writes into a tensor that is there does not do so yet."""
        kwargs = kwargs or {}
        if func.overloadpacket.__name__ in ("_local_scalar_dense", "nonzero"):
            raise RuntimeError(f"operation not permitted when stream is capturing: {func}")
        if func._schema.is_mutable:
            given = {own.name: value for own, value in zip(func._schema.arguments, args, strict=False)} | kwargs
            written = [given[own.name] for own in func._schema.arguments if own.alias_info and own.alias_info.is_write]
            self.calls.append((func, args, kwargs, []))
            return (None, written[0], tuple(written))[min(len(func._schema.returns), 2)]
        out = func(*args, **kwargs)
        if any(value.alias_info for value in func._schema.returns):  # a view
            return out
        made = _tensors(out)
        for value in made:
            value.fill_(torch.nan if value.is_floating_point() else 0)
        self.calls.append((func, args, kwargs, made))
        return out

    @torch.no_grad()
    def replay(self) -> None:
        """Run the operations again."""
        for func, args, kwargs, made in self.calls:
            out = func(*args, **kwargs)
            if made:
                for fixed, value in zip(made, _tensors(out), strict=True):
                    fixed.copy_(value)


def _tensors(values) -> list[Tensor]:
    return [value for value in tree_leaves(values) if isinstance(value, Tensor)]


def record(section, memory):
    """As `training.graphs.record`."""
    with torch.random.fork_rng(devices=[]), Recording() as recording:
        result = section()
    return result, recording.replay


class OnDevice:
    """Dropout drawn by PyTorch, as on a GPU; that of the CPU is drawn on the host."""

    @staticmethod
    def apply(x, level):
        """As `models.dropout._Drop`."""
        return functional.dropout(x, level / LEVELS) * (1 - level / LEVELS)


def as_a_gpu(monkeypatch, capturable=lambda *_: True) -> SimpleNamespace:
    """The CPU as a GPU, which records graphs; counts those that are recorded and replayed."""
    counts = SimpleNamespace(recorded=0, replayed=0)

    def counting(section, memory):
        result, replay = record(section, memory)
        counts.recorded += 1

        def again():
            counts.replayed += 1
            replay()

        return result, again

    monkeypatch.setattr(graphs, "record", counting)
    monkeypatch.setattr(graphs, "pool", lambda: "memory")
    for module in ("distill.learner", "finetune.trainer"):
        monkeypatch.setattr(f"minimoe.{module}.capturable", capturable)
    for module in ("learner", "hooks", "assistant"):
        monkeypatch.setattr(f"minimoe.distill.{module}.compile_layers", lambda layers: None)
    monkeypatch.setattr("minimoe.distill.supernet.SPARSE", ())
    monkeypatch.setattr("minimoe.models.dropout._Drop", OnDevice)
    # the CPU's looks at the numbers first
    monkeypatch.setattr(functional, "one_hot", lambda x, count: (x[:, None] == torch.arange(count)).long())
    return counts


@pytest.fixture
def recording(monkeypatch):
    """`as_a_gpu`, for a test."""
    return as_a_gpu(monkeypatch)
