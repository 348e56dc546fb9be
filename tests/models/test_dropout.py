import pytest
import torch
from torch.nn import functional

from minimoe.models.dropout import Dropout, attend, drop


@pytest.mark.parametrize("p", [0.1, 0.5])
def test_share_of_zeros_and_scale_of_the_rest(p):
    torch.manual_seed(0)
    x = torch.rand(1001, 1003) + 1
    out = drop(x, p)
    level = round(p * 65536) / 65536
    assert (out == 0).float().mean().item() == pytest.approx(p, abs=0.003)
    torch.testing.assert_close(out[out != 0], (x / (1 - level))[out != 0])
    # neighbours share a random word, and must not share their fate
    zero = (out == 0).double().flatten()
    assert torch.corrcoef(torch.stack([zero[:-1], zero[1:]]))[0, 1].abs() < 0.005
    assert out.mean().item() == pytest.approx(x.mean().item(), rel=0.005)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32, torch.float64])
def test_gradient_goes_where_values_went(dtype):
    x = torch.randn(7, 9, dtype=dtype, requires_grad=True)
    out = drop(x, 0.3)
    out.sum().backward()
    assert 0 < (out == 0).sum() < out.numel()
    torch.testing.assert_close(x.grad * x, out)


def test_rows_that_do_not_lie_together_are_dropped_alike():
    x = torch.randn(6, 8)
    torch.manual_seed(1)
    together = drop(x, 0.5)
    torch.manual_seed(1)
    assert torch.equal(drop(x.t().contiguous().t(), 0.5), together)


def test_draws_are_of_the_seed():
    x = torch.ones(50, 50)
    torch.manual_seed(1)
    first, second = drop(x, 0.5), drop(x, 0.5)
    torch.manual_seed(1)
    assert torch.equal(drop(x, 0.5), first)
    assert not torch.equal(first, second)


def test_nothing_is_dropped_in_eval_mode_or_at_zero():
    x = torch.randn(5, 5)
    assert torch.equal(Dropout(0.5).eval()(x), x)
    assert torch.equal(Dropout(0.0)(x), x)
    assert not Dropout(1.0)(x).any()


def test_attention_with_a_dropout_of_nothing_is_attention():
    torch.manual_seed(0)
    query, key, value = (torch.randn(2, 3, 5, 4) for _ in "qkv")
    mask = (torch.arange(5) < torch.tensor([[5], [3]]))[:, None, None, :]
    expected = functional.scaled_dot_product_attention(query, key, value, mask, scale=0.5)
    torch.testing.assert_close(attend(query, key, value, mask, 1e-9, 0.5), expected.transpose(1, 2))
