import math

import goldens
import pytest
import torch

from minimoe.distill.hooks import LayerHooks
from minimoe.distill.load_balance import load_balance, mean_load_balance, mean_z_loss, tokens_per_expert, z_loss
from minimoe.distill.losses import minilm

PUBLISHED = dict(log_epsilon=1e-7)
R = 12


def losses(name, dtype, train=False):
    """Our MiniLM loss and load balance on a golden, as the published code computes them."""
    student, inputs = goldens.student(name, dtype), goldens.tensors(name, "inputs")
    if train:
        _without_dropout(student).train()
    with torch.no_grad():
        teacher = LayerHooks(goldens.teacher(name, dtype), "last")(**inputs)
    features, routed = student(**inputs)
    loss = minilm(features, teacher, inputs["attention_mask"], R, **PUBLISHED)
    # with a single expert the published balance is the constant 1
    balance = mean_load_balance(routed["attention"], routed["ffn"], None) or torch.tensor(float("moe" in name))
    return student, loss, balance


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", [goldens.DENSE, *goldens.EXPERTS])
def test_losses_equal_the_published(name, dtype):
    _, loss, balance = losses(name, dtype)
    published = goldens.outputs(name, dtype)
    published_balance = published.get("load_balance", torch.zeros(()))
    minilm_part = published["loss"] - 0.01 * published_balance
    assert goldens.error(loss, minilm_part) < goldens.tolerance(dtype)
    if "moe" in name:  # the published fractions of tokens are fp32 in the fp64 run as well
        assert goldens.error(balance, published_balance) < (1e-7 if dtype == torch.float64 else 1e-5)


@pytest.mark.parametrize("name", [goldens.DENSE, "moebert_minilm_1_1E", "moebert_minilm_1_4E"])
def test_gradients_equal_the_published(name):
    student, loss, balance = losses(name, torch.float32)
    (loss + 0.01 * balance).backward()
    published = goldens.tensors(name, "grads")
    ours = {goldens.published_name(key): weight.grad for key, weight in student.named_parameters()}
    # bounds the error of each gradient by the size of all: some are zero but for rounding, as those of key biases
    size = torch.stack([gradient.norm() for gradient in published.values()]).max()
    assert len(published) > 10
    for key, gradient in published.items():
        assert (ours[key] - gradient).norm() < 1e-5 * size, key


def test_training_equals_the_published_with_its_noise(monkeypatch):
    name = "moebert_minilm_2_4E"
    noise = goldens.tensors(name, "train_noise")
    draws = iter(noise[f"rand.{number}"] for number in range(len(noise)))
    monkeypatch.setattr(torch, "rand_like", lambda _: next(draws))
    student, loss, balance = losses(name, torch.float32, train=True)
    published = goldens.tensors(name, "train_outputs")
    assert goldens.error(loss + 0.01 * balance, published["loss"]) < 1e-5
    assert goldens.error(balance, published["load_balance"]) < 1e-5
    (loss + 0.01 * balance).backward()
    gradients = goldens.tensors(name, "train_grads")
    ours = {goldens.published_name(key): weight.grad for key, weight in student.named_parameters()}
    size = torch.stack([gradient.norm() for gradient in gradients.values()]).max()
    for key, gradient in gradients.items():
        assert (ours[key] - gradient).norm() < 1e-5 * size, key


def test_loss_is_zero_when_student_equals_teacher():
    encoder, inputs = goldens.encoder(goldens.DENSE, torch.float64), goldens.tensors(goldens.DENSE, "inputs")
    features = LayerHooks(encoder, "last")(**inputs)
    assert abs(minilm(features, features, inputs["attention_mask"], R).item()) < 1e-12


def test_parts_of_a_batch_add_up():
    torch.manual_seed(0)
    mask = torch.arange(9) < torch.tensor([[9], [4], [6], [2]])
    student, teacher = ([torch.randn(4, 9, width) for _ in "qkv"] for width in (24, 48))
    whole = minilm(student, teacher, mask, 4)
    parts = [
        minilm([s[part] for s in student], [t[part] for t in teacher], mask[part], 4, tokens=int(mask.sum()))
        for part in (slice(0, 1), slice(1, 4))
    ]
    torch.testing.assert_close(sum(parts), whole)


@pytest.mark.parametrize("experts", [2, 5])
def test_load_balance_is_one_when_balanced_and_e_when_collapsed(experts):
    even = torch.eye(experts).repeat(7, 1)  # each expert preferred as often, all equally sure
    torch.testing.assert_close(load_balance(even, None), torch.tensor(1.0))
    collapsed = torch.tensor([1000.0] + [0.0] * (experts - 1)).expand(10, -1)
    torch.testing.assert_close(load_balance(collapsed, None), torch.tensor(float(experts)))


@pytest.mark.parametrize("active", [1, 2, 3])
def test_load_balance_counts_every_assignment_of_a_token(active):
    """E · Σ_e (mean probability) · (fraction of the N·k assignments), written token by token."""
    logits = torch.randn(40, 5, generator=torch.Generator().manual_seed(active), dtype=torch.float64)
    mask = torch.arange(40) < 31
    fraction = torch.zeros(5, dtype=torch.float64)
    for row in logits[mask]:
        for expert in row.argsort(descending=True)[:active]:
            fraction[expert] += 1 / (31 * active)
    expected = 5 * (logits[mask].softmax(-1).mean(0) * fraction).sum()
    torch.testing.assert_close(load_balance(logits, mask, tokens_per_expert(logits, mask, active)), expected)
    even = torch.eye(6).roll(1, 0) + torch.eye(6) * 2  # every expert is a first choice once, and a second
    torch.testing.assert_close(load_balance(even, None, tokens_per_expert(even, None, 2)), torch.tensor(1.0))


def test_load_balance_without_padding_ignores_padding():
    torch.manual_seed(0)
    logits, mask = torch.randn(20, 4), torch.arange(20) < 13
    torch.testing.assert_close(load_balance(logits, mask), load_balance(logits[:13], None))


def test_z_loss_equals_its_formula_over_real_tokens():
    torch.manual_seed(0)
    logits, mask = torch.randn(20, 4, dtype=torch.float64), torch.arange(20) < 13
    expected = sum(math.log(sum(math.exp(x) for x in row)) ** 2 for row in logits[:13].tolist()) / 13
    assert z_loss(logits, mask).item() == pytest.approx(expected, rel=1e-12)
    parts = [z_loss(logits[at], mask[at], tokens=13) for at in (slice(0, 5), slice(5, 20))]
    assert sum(parts).item() == pytest.approx(expected, rel=1e-12)
    both = mean_z_loss([logits, 2 * logits], [3 * logits], mask).item()
    of = [z_loss(times * logits, mask).item() for times in (1, 2, 3)]
    assert both == pytest.approx((of[0] + of[1]) / 4 + of[2] / 2, rel=1e-12)
    assert mean_z_loss([], [], mask) == 0


def _without_dropout(student):
    for module in student.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
        if hasattr(module, "dropout") and isinstance(module.dropout, float):
            module.dropout = 0.0
    return student
