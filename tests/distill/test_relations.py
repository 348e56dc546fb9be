import goldens
import pytest
import torch

from minimoe.distill.hooks import LayerHooks
from minimoe.distill.losses import Features, minilm
from minimoe.distill.relations import CHUNKS, Target, divergence, published_divergence, relation_logits

B, T, R = 3, 11, 12
MASK = torch.arange(T) < torch.tensor([[11], [7], [1]])


def projections(width: int, seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(B, T, width, generator=generator, dtype=torch.float64)


def plain(student, teacher, mask, heads):
    """The divergence as the paper writes it, one unpadded sequence at a time, through autograd."""
    total = 0.0
    for s, t, length in zip(student, teacher, mask.sum(1).tolist(), strict=True):
        logs = []
        for x in (t[:length], s[:length]):
            x = x.unflatten(-1, (heads, -1)).transpose(0, 1)
            logs.append((x @ x.transpose(-1, -2) / x.shape[-1] ** 0.5).log_softmax(-1))
        total += (logs[0].exp() * (logs[0] - logs[1])).sum()
    return total


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("layer", [1, 2])
def test_relations_equal_the_published(layer, dtype):
    name = goldens.DENSE
    inputs = goldens.tensors(name, "inputs")
    features = LayerHooks(goldens.encoder(name, dtype), layer)(**inputs)
    published = goldens.tensors(name, "outputs" if dtype == torch.float32 else "outputs_f64")
    for kind, feature in zip(("qq", "kk", "vv"), features[:3], strict=True):
        ours = relation_logits(feature, inputs["attention_mask"], R).softmax(-1)
        if layer == 2:
            assert goldens.error(ours, published[f"{kind}_relations_layer.1"]) < goldens.tolerance(dtype)
        torch.testing.assert_close(ours.sum(-1), torch.ones_like(ours[..., 0]))


@pytest.mark.parametrize("heads", [1, 4, 12])
def test_closed_form_equals_autograd(heads):
    student = projections(24, 1).requires_grad_()
    teacher = projections(48, 2)
    ours, expected = divergence(student, Target(teacher, MASK, heads)), plain(student, teacher, MASK, heads)
    torch.testing.assert_close(ours, expected)
    (gradient,) = torch.autograd.grad(3 * ours, student)
    (expected_gradient,) = torch.autograd.grad(3 * expected, student)
    torch.testing.assert_close(gradient, expected_gradient)


def test_zero_when_student_equals_teacher():
    x = projections(24, 1).requires_grad_()
    loss = divergence(x, Target(x.detach(), MASK, R))
    loss.backward()
    assert abs(loss.item()) < 1e-12
    assert x.grad.abs().max() < 1e-12


def test_padding_changes_nothing():
    student, teacher = projections(24, 1).requires_grad_(), projections(48, 2)
    loss = divergence(student, Target(teacher, MASK, R))
    loss.backward()
    garbage = ~MASK[..., None] * 50.0
    assert torch.equal(divergence(student + garbage, Target(teacher + garbage, MASK, R)), loss)
    assert (student.grad[~MASK] == 0).all()


def test_published_form_approaches_the_exact_one():
    student, teacher = projections(24, 1), projections(48, 2)
    published = published_divergence(student, teacher, MASK, R, epsilon=1e-12, dropout=0.0)
    torch.testing.assert_close(published, divergence(student, Target(teacher, MASK, R)), rtol=1e-7, atol=0)


def test_relation_dropout_drowns_a_perfect_student_in_noise():
    torch.manual_seed(0)
    x = projections(24, 1)
    rows = MASK.sum() * R
    loss = published_divergence(x, x, MASK, R, epsilon=1e-7, dropout=0.1) / rows
    assert loss > 0.1


def test_half_precision_inputs_are_compared_in_fp32():
    student, teacher = projections(24, 1).bfloat16(), projections(48, 2).bfloat16()
    loss = divergence(student, Target(teacher, MASK, R))
    assert loss.dtype == torch.float32
    torch.testing.assert_close(loss, plain(student.float(), teacher.float(), MASK, R))


@pytest.mark.parametrize("chunk", [1, 1 << 10, 1 << 18])
def test_relations_kept_for_several_students_are_the_same_to_the_bit(chunk, monkeypatch):
    monkeypatch.setitem(CHUNKS, "cpu", chunk)
    torch.manual_seed(3)
    teacher = torch.randn(*MASK.shape, 4 * R)
    kept = Target(teacher, MASK, R, keep=True)
    for width in (2 * R, 2 * R, 3 * R):
        student = torch.randn(*MASK.shape, width)
        alone, shared = student.clone().requires_grad_(), student.clone().requires_grad_()
        first, second = divergence(alone, Target(teacher, MASK, R)), divergence(shared, kept)
        first.backward(), second.backward()
        assert torch.equal(first, second) and torch.equal(alone.grad, shared.grad)


@pytest.mark.parametrize("many", [2, 3, 5])
@pytest.mark.parametrize("kept", [False, True])
@pytest.mark.parametrize("published", [{}, {"log_epsilon": 1e-12}])
def test_relations_across_sequences_are_those_of_one_long_sequence(many, kept, published):
    """Real tokens of the same n sequences, one after another, as one sequence without padding."""
    student = tuple(projections(24, seed) for seed in (1, 2, 3))
    teacher = Features(*(projections(48, seed) for seed in (4, 5, 6)))
    expected = 0.0
    for at in range(0, B, many):
        real = MASK[at : at + many]
        pairs = [
            (own[at : at + many][real][None], taught[at : at + many][real][None])
            for own, taught in zip(student, teacher[:3], strict=True)
        ]
        expected += sum(plain(own, taught, real[real][None], R) for own, taught in pairs) / (3 * R * MASK.sum())
    taught = teacher.with_targets(MASK, R, many) if kept else teacher
    torch.testing.assert_close(minilm(student, taught, MASK, R, sequences=many, **published), expected)


def test_the_loss_of_further_layers_is_their_mean():
    layers = [
        [Features(*(projections(width, seed + 3 * n) for seed in (1, 2, 3))) for n in range(3)] for width in (24, 48)
    ]
    alone = [minilm(own, taught, MASK, R) for own, taught in zip(*layers, strict=True)]
    student, teacher = (last._replace(further=(first, second)) for first, second, last in layers)
    for taught in (teacher, teacher.with_targets(MASK, R)):
        torch.testing.assert_close(minilm(student, taught, MASK, R), sum(alone) / 3)
