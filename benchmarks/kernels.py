"""What a distillation step asks of a GPU: operations, bytes, and host synchronisations, counted without one.

The step runs on the `meta` device, whose tensors have shapes and no values. So whatever waits for a value there, as
`.item()`, `.tolist()`, `nonzero`, an index of booleans or a copy to the host do, is an error; and an operation takes as
long to count as its name. An operation is a kernel on a GPU, now and then two or three.
"""

from collections import Counter
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from benchmarks.measure import Row
from benchmarks.step import bert, settings
from minimoe.distill.batch import Batch, TokenCounts
from minimoe.distill.learner import Learner, teacher_features
from minimoe.distill.start import StudentFactory
from minimoe.params.rounds import Distill, Student
from minimoe.pipeline.profiles import load_profile
from minimoe.plan import operations
from minimoe.report import flops

META = torch.device("meta")
BATCH, LENGTH = 128, 128
FREE = {"detach", "empty", "empty_like", "empty_strided", "new_empty", "_unsafe_view", "lift_fresh", "alias"}


def run() -> list[Row]:
    """Operations and bytes of a step beside its arithmetic, with the kernels of the loss and with the plain form.

    A GPU starts an operation in about 5 µs and moves 2 to 5 TB/s, which bounds the step as its GFLOP do.
    """
    ten = load_profile("paper_base", Path(__file__).parents[1]).rounds["base"].students
    cases = {f"bert-base → {name}": [ten[name]] for name in ("minilm-6L-384H", "minilm-3L-384H", "minimoe-3L-384H")}
    rows = []
    for name, students in (cases | {"bert-base → ten students": list(ten.values())}).items():
        ours, plain = (Step(bert(12, 768), students, settings(32, "bf16"), fused=fused) for fused in (True, False))
        kernels = ours(BATCH, LENGTH)
        with flops.counter() as arithmetic:
            others = plain(BATCH, LENGTH)
        what = f"{name}, batch {BATCH}, {arithmetic.get_total_flops() / BATCH / 1e9:.1f} GFLOP a sequence"
        for part, unit, counts in (
            ("operations of a step", "sequences/1000 operations", (kernels.names.total(), others.names.total())),
            ("MB moved a sequence", "sequences/GB", (kernels.moved / BATCH / 1e6, others.moved / BATCH / 1e6)),
        ):
            size = 1000.0 * BATCH if "operations" in part else 1000.0
            first, second = (size / count for count in counts)
            rows.append(Row(f"{what}: {counts[0]:.0f} {part}", unit, first, second, "the plain loss"))
    return rows


class Operations(TorchDispatchMode):
    """Counts the operations in a `with` block by name, but for views and new memory, and the bytes they read and write.

    Attributes:
        names: how often each was seen.
        moved: bytes, where nothing is kept in a cache between two operations.
    """

    def __init__(self):
        super().__init__()
        self.names: Counter[str] = Counter()
        self.moved = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        """Run an operation and count it."""
        out = func(*args, **kwargs or {})
        name = func.overloadpacket.__name__
        view = any(value.alias_info and not value.alias_info.is_write for value in func._schema.returns)
        tensors = [value for value in tree_leaves((args, kwargs, out)) if isinstance(value, Tensor)]
        if tensors and name not in FREE and not view:
            self.names[name] += 1
            self.moved += sum(value.numel() * value.itemsize for value in tensors)
        return out


class Step:
    """A step of a round of these students on the `meta` device.

    Args:
        teacher: its config.
        students: their shapes.
        settings: the round's settings; arithmetic is in bf16, in which alone experts' products have a form there.
        family: shapes of students in one set of weights (`OnceForAll`), beside the others.
        fused: whether the relation loss is the kernel's, or the plain form, as where there is no Triton.
    """

    def __init__(self, teacher, students: list[Student], settings: Distill, *, fused: bool = True, family=None):
        self.fused = fused
        self.settings = settings.model_copy(update={"precision": "fp32"})  # as the weights are: in bf16
        hooks = operations.teacher_hooks(teacher, settings)
        self.teacher = torch.no_grad()(lambda batch: hooks(**batch.inputs))
        shapes = {str(number): student for number, student in enumerate(students)}
        factory = StudentFactory(teacher, settings, 0)
        made = operations.students(factory, shapes)
        if family:
            with META:
                made.append(factory.once_for_all(family).bfloat16())
        accelerator = SimpleNamespace(device=META, num_processes=1, process_index=0)
        with _as_on_a_gpu(fused):
            self.learners = [Learner(student, self.settings, 1000, 0, accelerator) for student in made]
        self(2, 8)  # makes the optimizers' states

    def __call__(self, size: int, length: int, parts: int = 1) -> Operations:
        """Take it with so many sequences of so many tokens in each of its parts, and return what was counted."""
        ids = torch.zeros(size, length, dtype=torch.int64)
        mask = torch.ones_like(ids)
        mask[-1, -1] = 0  # as one is padded
        batch = Batch.of({"input_ids": ids, "attention_mask": mask, "token_type_ids": ids}, META)
        counts = TokenCounts.of([length] * size * parts)
        with _as_on_a_gpu(self.fused), Operations() as counted:
            if parts > 1:
                for learner in self.learners:
                    learner.count_routed([batch] * parts)
            for part in range(parts):
                features = teacher_features(self.teacher, batch, self.learners)
                for learner in self.learners:
                    learner.accumulate(batch, features, counts, part=part, last=part == parts - 1)
            for learner in self.learners:
                learner.update()
        return counted


@contextmanager
def _as_on_a_gpu(kernels: bool):
    """Within the block the `meta` device does as a GPU: all weights at once, and if wanted the kernels of the loss."""
    loss = mock.patch("minimoe.distill.relations.FUSED", ("meta",) if kernels else ())
    fused = mock.patch("torch.optim.optimizer._get_fused_kernels_supported_devices", lambda: ["meta"])
    foreach = mock.patch("torch.utils._foreach_utils._get_foreach_kernels_supported_devices", lambda: ["meta"])
    with loss, fused, foreach:
        yield
