import pytest
import torch
from torch import nn
from transformers import TrainingArguments

from minimoe.finetune.trainer import QuietTrainer, arguments


class Line(nn.Module):
    """loss = w·x."""

    def __init__(self):
        super().__init__()
        self.w = nn.Parameter(torch.ones(1))

    def forward(self, x):
        return {"loss": (self.w * x).mean()}


def rates(warmup):
    """The learning rate before each of ten steps."""
    made = arguments(
        device="cpu",
        seed=1,
        epochs=1,
        batch=2,
        learning_rate=1.0,
        warmup=warmup,
        weight_decay=0.0,
        log_every=1,
    )
    trainer = QuietTrainer(Line(), made, train_dataset=[{"x": float(i)} for i in range(20)])
    trainer.train()
    return [entry["learning_rate"] for entry in trainer.state.log_history if "learning_rate" in entry]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("warmup", "expected"),
    [
        (0.0, [1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1]),
        (0.5, [0.0, 0.2, 0.4, 0.6, 0.8, 1.0, 0.8, 0.6, 0.4, 0.2]),
        (1.0, [0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9]),
    ],
)
def test_linear_warm_up_is_a_share_of_the_steps(warmup, expected):
    assert rates(warmup) == pytest.approx(expected)


def test_of_several_gpus_one_is_used(monkeypatch):
    monkeypatch.setattr(TrainingArguments, "n_gpu", property(lambda _: 8))
    made = arguments(
        device="cpu", seed=1, epochs=1, batch=2, learning_rate=1.0, warmup=0.0, weight_decay=0.0, log_every=1
    )
    assert (made.n_gpu, made.train_batch_size) == (1, 2)


def test_the_trainer_prints_nothing(capsys):
    rates(0.1)
    assert capsys.readouterr().out == ""


class Classes(nn.Module):
    """A linear layer and the loss that heads have, and what they computed in."""

    def __init__(self):
        super().__init__()
        self.head = nn.Linear(4, 3)

    def forward(self, x, labels):
        logits = self.head(x)
        loss = nn.functional.cross_entropy(logits, labels)
        self.dtypes = [logits.dtype, loss.dtype]
        return {"loss": loss}


@pytest.mark.slow
@pytest.mark.parametrize(("precision", "dtype"), [("fp32", torch.float32), ("bf16", torch.bfloat16)])
def test_the_model_is_in_the_precision_and_loss_and_weights_in_fp32(precision, dtype):
    made = arguments(
        device="cpu", seed=1, epochs=1, batch=2, learning_rate=1.0, warmup=0.0, weight_decay=0.0, log_every=1
    )
    model, examples = Classes(), [{"x": [float(i)] * 4, "labels": i % 3} for i in range(6)]
    QuietTrainer(model, made, train_dataset=examples, precision=precision).train()
    assert model.dtypes == [dtype, torch.float32]
    assert {weight.dtype for weight in model.parameters()} == {torch.float32}
    assert {weight.grad.dtype for weight in model.parameters() if weight.grad is not None} <= {torch.float32}
