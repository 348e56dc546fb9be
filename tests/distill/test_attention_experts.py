"""Rounds of students with several experts in self-attention, from training to the saved folder."""

import backbones
import pytest
import torch
from tiny_rounds import TinyRecords, run
from transformers import AutoModel

from minimoe.distill.load_balance import load_balance, mean_load_balance
from minimoe.distill.round import write_students
from minimoe.params.rounds import Student
from minimoe.system.errors import UserError

SHAPES = [(2, 4), (4, 1), (4, 4)]
some_shapes = pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: f"{shape[0]},{shape[1]}")


def trained(teacher, shape, **changes):
    attention, ffn = shape
    student = Student.model_validate({"layers": 2, "hidden": 24, "experts": {"attention": attention, "ffn": ffn}})
    return run(teacher, {"student": student}, **{"epochs": 3, "learning_rate": 5e-3} | changes)["student"]


@pytest.mark.slow
@some_shapes
def test_every_expert_and_router_is_trained(teacher, shape):
    before = trained(teacher, shape, epochs=0).encoder.state_dict()
    result = trained(teacher, shape)
    assert result.curve[-1]["heldout_loss"] < result.curve[0]["heldout_loss"]
    after = {name: weight for name, weight in result.encoder.state_dict().items() if "pooler" not in name}
    for name, weight in after.items():
        moved = (weight - before[name]).flatten(1 if weight.dim() == 3 else 0)
        assert moved.abs().amax(-1).min() > 0, name  # of each expert, where there are some
    metrics = result.metrics()
    for kind, experts in zip(("attention", "ffn"), shape, strict=True):
        loads = metrics["expert_load"].get(kind, [])
        assert [len(shares) for shares in loads] == ([experts] * 2 if experts > 1 else [])
        assert all(sum(shares) == pytest.approx(1) for shares in loads)


def test_the_load_balance_is_the_mean_of_both_sub_layers(teacher):
    generator = torch.Generator().manual_seed(0)
    attention, ffn = ([torch.randn(30, experts, generator=generator) for _ in range(3)] for experts in (2, 4))
    means = [sum(load_balance(logits, None) for logits in routers) / 3 for routers in (attention, ffn)]
    torch.testing.assert_close(mean_load_balance(attention, ffn, None), sum(means) / 2)
    torch.testing.assert_close(mean_load_balance(attention, [], None), means[0])


@pytest.mark.slow
@some_shapes
def test_saved_and_loaded(teacher, shape, tmp_path):
    result = trained(teacher, shape, epochs=1)
    result.encoder.save_pretrained(tmp_path / "student")
    loaded = AutoModel.from_pretrained(tmp_path / "student").eval()
    batch = TinyRecords().batch(range(8))
    assert torch.equal(loaded(**batch).last_hidden_state, result.encoder.eval()(**batch).last_hidden_state)


def test_it_does_not_teach(tmp_path):
    """Its tokens have queries, keys and values of several kinds, which have no one relation."""
    folder = backbones.save("bert", tmp_path / "teacher", hidden_size=24)
    made = run(folder, {"student": Student.model_validate({"layers": 1, "hidden": 24, "experts": {"attention": 2}})})
    write_students(made, folder, tmp_path / "round")
    with pytest.raises(UserError, match="2 attention experts; choose another teacher"):
        run(tmp_path / "round/student", {"student": Student(layers=1, hidden=24)})
