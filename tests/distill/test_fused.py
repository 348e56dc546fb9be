"""The fused divergence equals the plain one; on the CPU through Triton's interpreter, on a GPU as it is compiled."""

import os
import subprocess
import sys

import pytest
import torch

from minimoe.distill import relations
from minimoe.distill.relations import Target, divergence

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
NAME = "_FusedDivergenceBackward"
KINDS = [torch.bfloat16, torch.float16]


@pytest.fixture
def fused():
    """The kernels' module."""
    return pytest.importorskip("minimoe.distill.fused", reason="needs Triton, which is there on Linux alone")


def projections(shape, width, kind, seed, size=1.0):
    generator = torch.Generator().manual_seed(seed)
    return (size * torch.randn(*shape, width, generator=generator)).to(kind).to(DEVICE)


def random_mask(sequences, tokens):
    mask = torch.rand(sequences, tokens, generator=torch.Generator().manual_seed(5)) < 0.8
    mask[:, 0] = True
    return mask.to(DEVICE)


def both(fused, student, teacher, mask, heads):
    """Loss and gradient of the kernel, and of the plain form in fp64."""
    z = fused.normalisers(teacher, mask, heads)
    losses, gradient = torch.ops.minimoe.relation_divergence(student, teacher, z, mask, heads, True)
    exact = student.double().requires_grad_()
    plain = divergence(exact, Target(teacher.double(), mask, heads))
    return losses.sum(), gradient, plain.detach(), torch.autograd.grad(plain, exact)[0]


def assert_equal(found, kind):
    """Of bf16 a gradient is good to 2⁻¹⁵ of the largest; it is rounded to 2⁻⁹ of itself afterwards."""
    loss, gradient, plain, exact = found
    assert loss.dtype == gradient.dtype == torch.float32
    torch.testing.assert_close(loss.double(), plain, rtol=1e-5, atol=1e-5)
    assert (gradient - exact).abs().max() <= (2**-15 if kind == torch.bfloat16 else 1e-5) * exact.abs().max()


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("sequences", "tokens", "heads", "own", "taught"),
    [
        (2, 11, 3, 4, 6),  # fewer tokens than a tile, heads of no power of two
        (2, 64, 2, 16, 16),  # a whole tile
        (1, 65, 2, 12, 24),  # a tile and a token
        (1, 128, 2, 8, 64),
        (1, 1, 4, 1, 3),
    ],
)
def test_loss_and_gradient_equal_the_plain_form(fused, kind, sequences, tokens, heads, own, taught):
    student = projections((sequences, tokens), heads * own, kind, 1, 1.5)
    teacher = projections((sequences, tokens), heads * taught, kind, 2, 1.5)
    assert_equal(both(fused, student, teacher, random_mask(sequences, tokens), heads), kind)


@pytest.mark.slow
def test_the_longest_sequences(fused):
    student, teacher = (projections((1, 512), 2 * width, torch.bfloat16, width) for width in (12, 16))
    assert_equal(both(fused, student, teacher, random_mask(1, 512), 2), torch.bfloat16)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_large_scores(fused, kind):
    """Scores of several hundred: every row is nearly all one key."""
    student, teacher = (projections((2, 70), 24, kind, seed, 12.0) for seed in (1, 2))
    assert_equal(both(fused, student, teacher, random_mask(2, 70), 3), kind)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_one_real_token_and_none(fused, kind):
    """With one there is nothing to learn; a sequence of padding alone counts for nothing, and gives no NaN."""
    mask = torch.zeros(2, 70, dtype=torch.bool, device=DEVICE)
    mask[0, 66] = True
    student, teacher = (projections((2, 70), 24, kind, seed) for seed in (1, 2))
    z = fused.normalisers(teacher, mask, 3)
    losses, gradient = torch.ops.minimoe.relation_divergence(student, teacher, z, mask, 3, True)
    assert (losses == 0).all() and (gradient == 0).all()


def test_padding_may_hold_anything(fused):
    mask = random_mask(2, 20)
    student, teacher = (projections((2, 20), 24, torch.bfloat16, seed) for seed in (1, 2))
    expected = both(fused, student, teacher, mask, 3)
    garbage = ~mask[..., None] * 1e4
    found = both(fused, *((x + garbage).to(x.dtype) for x in (student, teacher)), mask, 3)
    assert torch.equal(found[0], expected[0]) and torch.equal(found[1], expected[1])
    assert (found[1][~mask] == 0).all()


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_zero_when_student_equals_teacher(fused, kind):
    x, mask = projections((2, 70), 24, kind, 1), random_mask(2, 70)
    z = fused.normalisers(x, mask, 3)
    losses, gradient = torch.ops.minimoe.relation_divergence(x, x, z, mask, 3, True)
    assert (losses == 0).all() and gradient.abs().max() < 1e-5


def test_a_nan_is_seen(fused):
    student, teacher = (projections((2, 20), 24, torch.bfloat16, seed) for seed in (1, 2))
    student[0, 3, 3] = torch.nan
    mask = torch.ones(2, 20, dtype=torch.bool, device=DEVICE)
    assert fused.divergence(student, teacher, fused.normalisers(teacher, mask, 3), mask, 3).isnan()


def test_divergence_chooses_it_where_it_is_faster_and_several_students_share_a_teacher(fused, monkeypatch):
    monkeypatch.setattr(relations, "FUSED", (DEVICE,))
    mask, calls, made = random_mask(2, 20), [], fused.normalisers
    monkeypatch.setattr(fused, "normalisers", lambda *a: calls.append(a[0].shape[-1]) or made(*a))
    target = Target(projections((2, 20), 48, torch.bfloat16, 2), mask, 3)
    plain = Target(target.whole, mask, 3, keep=True)
    for width in (12, 24):
        student = projections((2, 20), width, torch.bfloat16, 1).requires_grad_()
        loss = divergence(student, target)
        (gradient,) = torch.autograd.grad(3 * loss, student)
        assert loss.grad_fn.name() == NAME
        monkeypatch.setattr(relations, "FUSED", ())
        expected = divergence(student, plain)
        (expected_gradient,) = torch.autograd.grad(3 * expected, student)
        monkeypatch.setattr(relations, "FUSED", (DEVICE,))
        torch.testing.assert_close(loss, expected)
        torch.testing.assert_close(gradient, expected_gradient, rtol=2**-7, atol=1e-4)  # both rounded to bf16
    assert calls.count(48) == 1  # of the teacher


@pytest.mark.parametrize("why", ["fp32", "too wide", "no Triton"])
def test_the_plain_form_takes_what_the_kernel_does_not(fused, monkeypatch, why):
    monkeypatch.setattr(relations, "FUSED", (DEVICE,))
    kind, width = (torch.float32 if why == "fp32" else torch.bfloat16), (129 if why == "too wide" else 8)
    relations._kernels.cache_clear()
    if why == "no Triton":
        monkeypatch.delattr("minimoe.distill.fused")
        monkeypatch.delitem(sys.modules, "minimoe.distill.fused")
        monkeypatch.setitem(sys.modules, "triton", None)  # as where it is not installed
    student = projections((1, 9), width, kind, 1).requires_grad_()
    loss = divergence(student, Target(projections((1, 9), 8, kind, 2), random_mask(1, 9), 1))
    assert loss.grad_fn.name() != NAME
    relations._kernels.cache_clear()


COMPILED = """
import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource
from minimoe.distill import fused

def build(kernel, kind, capability, **constants):
    types = dict.fromkeys(kernel.arg_names, "*fp32")
    types |= {"mask": "*i1", "tokens": "i32", "heads": "i32"} | dict.fromkeys(["x", "student", "teacher"], f"*{kind}")
    signature = {name: types[name] for name in kernel.arg_names} | dict.fromkeys(constants, "constexpr")
    source = ASTSource(fn=kernel, signature=signature, constexprs=constants)
    made = triton.compile(source, target=GPUTarget("cuda", capability, 32))
    assert made.metadata.shared <= 99 << 10, made.metadata.shared  # what a block has on the smallest of these GPUs
    assert "mma" in made.asm["ptx"] and made.asm["cubin"]  # tensor cores

CASES = ("bf16", 80, 12, 24), ("fp16", 80, 8, 16), ("bf16", 90, 12, 24), ("bf16", 90, 128, 128)
for kind, capability, student, teacher in CASES:
    build(fused._normalisers_kernel, kind, capability, **fused._shape("", teacher))
    shapes = fused._shape("STUDENT_", student) | fused._shape("TEACHER_", teacher)
    for differentiate in (True, False):
        build(fused._divergence_kernel, kind, capability, DIFFERENTIATE=differentiate, **shapes)
print("compiled")
"""


@pytest.mark.slow
def test_the_kernels_compile_for_gpus_that_are_not_here(fused, tmp_path):
    """Ampere's and Hopper's machine code, by the assembler that Triton brings along."""
    changed = {"TRITON_INTERPRET": "0", "TRITON_CACHE_DIR": str(tmp_path), "PYTHONPATH": os.pathsep.join(sys.path)}
    script = tmp_path / "compiled.py"
    script.write_text(COMPILED)
    done = subprocess.run([sys.executable, str(script)], env=os.environ | changed, capture_output=True, text=True)
    assert done.stdout.strip() == "compiled", done.stderr


def test_no_gradient_is_computed_where_none_is_wanted(fused):
    student, teacher, mask = (*(projections((1, 9), 8, torch.bfloat16, seed) for seed in (1, 2)), random_mask(1, 9))
    _, gradient = torch.ops.minimoe.relation_divergence(
        student, teacher, fused.normalisers(teacher, mask, 1), mask, 1, False
    )
    assert not gradient.numel()
